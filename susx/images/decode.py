"""Decoding images to RGB, within bounds of memory and time."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING

from susx.images.kinds import FORMATS, HEAD, HEIC, kind_of, why_not
from susx.images.rgb import PLAIN, Reading, UnreadableImage, as_rgb, memory_of, slow_samples

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_PIXELS = 178_956_970
"""Pillow's own limit, which is here for its name."""
MAX_MEMORY = 2**29
"""Bytes of an image while it is decoded: four threads of a job then stay within its first 2 GB.
134 megapixels of RGB, 107 of grey levels or a palette, 67 with transparency; fewer of a WebP or
progressive JPEG, whose decoders hold more."""
MAX_SLOW = 2**25
"""Samples of a PGM or PPM whose numbers Pillow scales one by one: about a minute's work."""
MAX_ASPECT = 128
"""Longest side by shortest: an encoder's resize of the shortest to 512 pixels then makes at most 34
megapixels of it, of which it crops one 128th."""
MAX_BYTES = 2**30
"""Larger than any image of `MAX_PIXELS` in a common format."""

# Of Pillow, about images that are read or refused anyway. A filter around every decoding would not
# do: threads that enter and leave it at the same time would put back each other's.
warnings.filterwarnings("ignore", module=r"PIL\.")


def decode(
    data: bytes, draft: int | None = None, reading: Reading = PLAIN, any_shape: bool = False
) -> Image:
    """Decode image bytes to RGB; the content decides the format, not the file name.

    The first frame of an animation is taken. A TIFF or HEIC is always upright: its library turns
    it.

    Args:
        data: file contents.
        draft: a JPEG is decoded at the smallest of its scales (1, 1/2, 1/4, 1/8) whose sides are
            not below this many pixels, which is faster and not quite the same.
        reading: what becomes of transparency and EXIF rotation.
        any_shape: whether to take images that are too thin for an encoder.

    Raises:
        UnreadableImage: if the bytes are no image of a known format, are truncated, have grey
            levels without a known range, or `require_bounded` refuses them.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(data), formats=_formats(data)) as image:
            if draft is not None and min(image.size) >= draft:
                image.draft(None, (draft, draft))
            require_bounded(image, any_shape)
            return as_rgb(image, reading)
    except UnidentifiedImageError:
        raise UnreadableImage(why_not(data[:HEAD])) from None
    except Image.DecompressionBombError:
        raise UnreadableImage(f"more than {MAX_PIXELS} pixels") from None
    except UnreadableImage:
        raise
    except Exception as error:  # decoders raise many kinds for broken images
        raise UnreadableImage(f"{type(error).__name__}: {error}") from None


def require_bounded(image: Image, any_shape: bool = False) -> None:
    """Look at the header of an image before it takes memory.

    Raises:
        UnreadableImage: if it holds more than `MAX_PIXELS` pixels, would take more than
            `MAX_MEMORY` bytes, has more than `MAX_SLOW` samples that are scaled one by one, or is
            longer than `MAX_ASPECT` times its width, or the reverse, unless it may have any shape.
    """
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise UnreadableImage(f"more than {MAX_PIXELS} pixels")
    if memory_of(image) > MAX_MEMORY:
        raise UnreadableImage(
            f"{width} x {height} pixels in mode {image.mode}, which take more than "
            f"{MAX_MEMORY >> 20} MiB while they are decoded"
        )
    if slow_samples(image) > MAX_SLOW:
        raise UnreadableImage(f"more than {MAX_SLOW} samples that are scaled one by one")
    if not any_shape and max(width, height) > MAX_ASPECT * min(width, height):
        raise UnreadableImage(f"too long and thin ({width} x {height})")


def look_of(data: bytes) -> tuple[str, str]:
    """Pillow's names of the format and the colour mode of an image, from its header.

    Raises:
        OSError: if it is no image of a known format.
    """
    from PIL import Image

    with Image.open(io.BytesIO(data), formats=_formats(data)) as image:
        return str(image.format), image.mode


def _formats(data: bytes) -> tuple[str, ...]:
    """Pillow's names of what bytes may be."""
    if kind_of(data[:HEAD]) != HEIC:
        return FORMATS
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        return FORMATS
    register_heif_opener()
    return ("HEIF",)
