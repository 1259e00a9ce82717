"""Images of any colour mode as RGB: deep grey by its declared range, transparency as asked for."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.Image import Image

STRIP = 2**20
"""Pixels converted at a time: enough to keep the loop cheap, few enough to cost no memory."""
SIXTEEN = frozenset({"I;16", "I;16L", "I;16B", "I;16N"})
"""Pillow's modes of unsigned grey levels of 16 bits."""
DEEP = SIXTEEN | {"I", "F"}
PREMULTIPLIED = {"La": "LA", "RGBa": "RGBA"}
SUBFILE, BITS, PHOTOMETRIC, SAMPLE_FORMAT, LEAST, MOST = 254, 258, 262, 339, 340, 341
"""Tags of TIFF 6.0: NewSubfileType, BitsPerSample, PhotometricInterpretation, SampleFormat, and the
SMinSampleValue and SMaxSampleValue that declare a range."""
REDUCED = 1  # the bit of NewSubfileType that tells an image of less resolution
UNSIGNED, SIGNED = 1, 2  # values of SampleFormat
WHOLE = {"AVIF": 6, "HEIF": 6, "WEBP": 12}
"""Bytes per pixel of the frames that decoders hold besides, as measured, by Pillow's format."""
SLOW = frozenset({"ppm", "ppm_plain"})
"""Pillow's decoders that are written in Python."""
ORIENTATION = 0x0112  # of EXIF
OF_PNG = {"L;2": 85, "L;4": 17, "RGB;16B": 2.0**-8}
"""What Pillow multiplies levels by, but not the transparent one, by its name of a PNG's bits: up to
8 bits from what the file has. Of 16 bits it keeps the upper 8."""


class UnreadableImage(ValueError):
    """An image that cannot be decoded; the message is the reason."""


@dataclass(frozen=True)
class Reading:
    """How an image becomes RGB; as it stands, as the published code of CLIP does it.

    Attributes:
        white: whether transparent pixels are laid over white; their colours are kept otherwise.
        upright: whether the image is turned as its EXIF says.
    """

    white: bool = False
    upright: bool = False


PLAIN = Reading()


@dataclass(frozen=True)
class _Range:
    """Level of black and level of white, and the type that the stored bits are of."""

    black: float
    white: float
    dtype: str | None = None


def as_rgb(image: Image, reading: Reading = PLAIN) -> Image:
    """Convert an image of any mode to RGB; one that is RGB already may be returned itself.

    Grey of more than 8 bits is scaled linearly from the range that its file declares: 16 bits
    unsigned are black at 0 and white at 65,535, a PGM at its maxval, a TIFF at its bits per sample,
    or SMinSampleValue and SMaxSampleValue.

    An image that is not decoded yet is so here; one that is has forgotten the bits of its file, by
    which a transparent level of fewer than 8 bits, or of a colour of 16, is told.

    Raises:
        UnreadableImage: if levels have no declared range, or are no numbers, or if all that can be
            read is a preview.
        Exception: of many kinds from Pillow, if the image cannot be decoded.
    """
    tags = _tags(image)
    if int(_first(tags, SUBFILE, 0)) & REDUCED:
        raise UnreadableImage("a raw photo, of which only the preview can be read; convert it")
    levels, factor = _range(image, tags), _factor(image)
    image.load()  # this turns a TIFF and takes the turn out of its EXIF
    if reading.upright:
        image = _turned(image)
    on_white = reading.white and _is_transparent(image)
    if image.mode == "RGB" and not on_white:
        return image
    if on_white and factor != 1:
        image = image.copy()  # what a caller gave stays as it is
        image.info["transparency"] = _scaled(image.info["transparency"], factor)
    return _by_strips(image, levels, on_white)


def _factor(image: Image) -> float:
    """What the levels of an image that is not decoded yet will be multiplied by."""
    tiles = getattr(image, "tile", None)
    return OF_PNG.get(str(tiles[0][3]), 1) if tiles and image.format == "PNG" else 1


def _scaled(level: Any, factor: float) -> Any:
    return tuple(int(v * factor) for v in level) if isinstance(level, tuple) else level * factor


def _by_strips(image: Image, levels: _Range | None, on_white: bool) -> Image:
    from PIL import Image as Pillow

    made = Pillow.new("RGB", image.size)
    rows = max(1, STRIP // max(1, image.width))
    for top in range(0, image.height, rows):
        strip = image.crop((0, top, image.width, min(top + rows, image.height)))
        made.paste(
            _grey(strip, levels, on_white) if levels else _colours(strip, on_white), (0, top)
        )
    return made


def _colours(image: Image, on_white: bool) -> Image:
    from PIL import Image as Pillow

    if image.mode in PREMULTIPLIED:
        image = image.convert(PREMULTIPLIED[image.mode])
    if on_white:
        ground = Pillow.new("RGBA", image.size, "white")
        image = Pillow.alpha_composite(ground, image.convert("RGBA"))
    return image.convert("RGB")


def _grey(image: Image, levels: _Range, on_white: bool) -> Image:
    import numpy as np  # which planning does without
    from PIL import Image as Pillow

    stored = np.asarray(image)
    values = (stored.view(levels.dtype) if levels.dtype else stored).astype(np.float64)
    if not np.isfinite(values).all():
        raise UnreadableImage("grey levels that are no numbers")
    shares = np.clip((values - levels.black) / (levels.white - levels.black), 0, 1)
    shades = np.rint(shares * 255).astype(np.uint8)
    if on_white:
        shades[stored == image.info["transparency"]] = 255
    return Pillow.fromarray(shades).convert("RGB")


def _is_transparent(image: Image) -> bool:
    has_alpha = "A" in image.getbands() or image.mode in PREMULTIPLIED
    return has_alpha or image.info.get("transparency") is not None


def _turned(image: Image) -> Image:
    """The image as its EXIF says; a broken EXIF says nothing, as for viewers."""
    from PIL.Image import Transpose

    try:
        orientation = image.getexif().get(ORIENTATION, 1)
    except Exception:  # Pillow raises many kinds
        return image
    turns = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    return image.transpose(turns[orientation]) if orientation in turns else image


def _tags(image: Image) -> Any:
    """Tags of a TIFF; none of another format."""
    tags = getattr(image, "tag_v2", None) if image.format == "TIFF" else None
    return tags or {}


def _range(image: Image, tags: Any) -> _Range | None:
    """Range of grey levels that are not 8 bits; None for all other modes."""
    if tags and (image.mode in DEEP or image.mode == "L"):
        return _range_of_tiff(tags, image.mode)
    if image.mode in SIXTEEN or (image.mode == "I" and image.format == "PPM"):
        return _Range(0, 65535)  # to which Pillow scales PGM
    if image.mode in DEEP:
        kind = "floating-point numbers" if image.mode == "F" else "integers of 32 bits"
        raise UnreadableImage(f"grey levels that are {kind} without a declared range")
    return None


def _range_of_tiff(tags: Any, mode: str) -> _Range | None:
    bits, kind = _first(tags, BITS, 1), _first(tags, SAMPLE_FORMAT, UNSIGNED)
    if mode == "L" and kind != SIGNED:
        return None
    least, most = _first(tags, LEAST, None), _first(tags, MOST, None)
    if kind == UNSIGNED:
        least, most = 0 if least is None else least, 2**bits - 1 if most is None else most
    named = f"grey levels of {bits} bits of a TIFF with SampleFormat {kind}"
    if least is None or most is None:
        raise UnreadableImage(f"{named}, but without SMinSampleValue and SMaxSampleValue")
    if not (math.isfinite(least) and math.isfinite(most) and least < most):
        raise UnreadableImage(f"{named}, whose declared range is {least:g} to {most:g}")
    black, white = (most, least) if _first(tags, PHOTOMETRIC, 0) == 0 else (least, most)
    return _Range(float(black), float(white), _stored(mode, kind, bits))


def _stored(mode: str, kind: int, bits: int) -> str | None:
    """Type of the bits where Pillow takes them for another one."""
    if mode == "L":
        return "int8"
    return "uint32" if (mode, kind, bits) == ("I", UNSIGNED, 32) else None


def _first(tags: Any, name: int, otherwise: Any) -> Any:
    value = tags.get(name, otherwise)
    return value[0] if isinstance(value, tuple) else value


def memory_of(image: Image) -> int:
    """Bytes that an image takes while it is decoded and converted, by its header."""
    stored = 1 if image.mode in ("1", "L", "P") else 2 if image.mode in SIXTEEN else 4
    made = 0 if image.mode == "RGB" else 4
    besides = WHOLE.get(image.format or "", 0) + _coefficients(image)
    return int(image.width * image.height * (stored + made + besides))


def _coefficients(image: Image) -> float:
    """Bytes per pixel that a progressive JPEG keeps of all its scans: two per sample."""
    if not image.info.get("progressive"):
        return 0
    sampled = [(across, down) for _, across, down, _ in getattr(image, "layer", [])]
    most = max((a for a, _ in sampled), default=1) * max((d for _, d in sampled), default=1)
    return float(2 * sum(a * d for a, d in sampled) / max(1, most))


def slow_samples(image: Image) -> int:
    """Samples of an image that is not yet decoded and whose decoder is written in Python."""
    slow = any(tile[0] in SLOW for tile in getattr(image, "tile", ()))
    return image.width * image.height * len(image.getbands()) if slow else 0
