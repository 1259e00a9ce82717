"""Decoding images and listing labelled folders."""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from susx.errors import InputError, listing
from susx.files import read_regular
from susx.kinds import FORMATS, HEAD, HEIC, SUFFIXES, kind_of, told_apart, visible_folders, why_not
from susx.manifests import ClassManifest, ImageRecord, Table, find_all
from susx.plain import well_formed
from susx.rgb import PLAIN, Reading, UnreadableImage, as_rgb, memory_of, slow_samples
from susx.support.duplicates import fingerprint

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
BLOCK = 4096

# Of Pillow, about images that are read or refused anyway. A filter around every decoding would not
# do: threads that enter and leave it at the same time would put back each other's.
warnings.filterwarnings("ignore", module=r"PIL\.")

S = TypeVar("S")
T = TypeVar("T")


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
            image.load()
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


@dataclass(frozen=True)
class Listed:
    """An image that a dataset lists; `path` is a file, or `file#place` inside an archive.

    The label of an image without one is -1.
    """

    key: str
    path: str
    label: int


@dataclass(frozen=True)
class Listing:
    """The images of a split in class order, not yet looked at; `meta` says what else was found."""

    images: list[Listed]
    meta: dict[str, Any]


def list_images(folder: Path) -> Iterator[Path]:
    """Yield the image files below `folder`, sorted, hidden ones left out; links are followed.

    Raises:
        InputError: if a folder cannot be listed.
    """
    yield from (folder / name for name, is_one in told_apart(folder) if is_one)


def _image_names(folder: Path) -> tuple[list[str], int]:
    """Sorted relative paths of images, and the number of all files."""
    names, count = [], 0
    for name, is_one in told_apart(folder):
        count += 1
        if is_one:
            names.append(name)
    return names, count


def unlabelled_images(root: Path, origin: str) -> Listing:
    """List the images below a folder, whatever its subfolders are called.

    Args:
        root: the folder.
        origin: key that names it, for error messages.

    Raises:
        InputError: if there is no such folder, or one below it cannot be listed.
    """
    if not root.is_dir():
        raise InputError(f"{origin}: folder not found: {root}")
    names, count = _image_names(root)
    images = [Listed(name, f"{root}/{name}", -1) for name in names]
    return Listing(images, {"folder": str(root), "n_other_files": count - len(names)})


def subfolders(root: Path, origin: str) -> list[str]:
    """Sorted names of the visible folders in `root`.

    Raises:
        InputError: if there are none, or `root` cannot be listed.
    """
    if not root.is_dir():
        raise InputError(f"{origin}: folder not found: {root}")
    names = visible_folders(root)
    if not names:
        raise InputError(f"{origin}: {root} has no subfolders; make one per class")
    return names


def labelled_folders(root: Path, labels: Mapping[str, int], classes: ClassManifest) -> Listing:
    """List the images of folders whose classes are known.

    Args:
        root: folder of all of them.
        labels: class index by name of folder.
        classes: class manifest.

    Raises:
        InputError: if a folder cannot be listed.
    """
    found: dict[str, list[str]] = {name: [] for name in labels}
    names, count = _image_names(root)
    for name in names:
        folder, inside, _ = name.partition("/")
        if inside and folder in found:
            found[folder].append(name)
    in_order = sorted(labels.items(), key=lambda item: item[1])
    images = [
        Listed(key, f"{root}/{key}", label) for name, label in in_order for key in found[name]
    ]
    known = set(labels.values())
    meta = {
        "folder": str(root),
        "n_other_files": count - len(images),
        "classes_without_folder": [entry.name for entry in classes if entry.index not in known],
    }
    return Listing(images, meta)


def image_manifest(
    folder: str | Path, classes: ClassManifest, origin: str = "images", threads: int = 1
) -> Table:
    """List a folder with one subfolder per class, named by class name, slug, wnid or alias.

    Args:
        folder: the folder.
        classes: classes to match subfolders with; the label is the index found there.
        origin: key that names the folder, for error messages.
        threads: images decoded at the same time.

    Returns:
        Table of ImageRecord in class order; `meta` counts files that are not images.

    Raises:
        InputError: if the folder is missing or has no image, or a subfolder names no class.
    """
    root = Path(folder)
    labels = find_all(classes, subfolders(root, origin), f"{origin}: {root}")
    return examined(labelled_folders(root, labels, classes), classes, origin, threads)


def examined(listed: Listing, classes: ClassManifest, origin: str, threads: int = 1) -> Table:
    """Decode every image of a listing once; those that cannot be decoded keep the reason.

    Args:
        listed: images of a split.
        classes: classes that their labels refer to.
        origin: key that names the split, for error messages.
        threads: images decoded at the same time.

    Returns:
        Table of ImageRecord in the order of the listing.

    Raises:
        InputError: if there are no images, or none can be read.
    """
    root = listed.meta["folder"]
    if not listed.images:
        raise InputError(f"{origin}: no images below {root}; known suffixes: {sorted(SUFFIXES)}")

    for image in listed.images:
        if well_formed(image.path) != image.path:
            raise InputError(f"{origin}: {image.path}: the file name is not UTF-8; rename it")

    def record(image: Listed) -> ImageRecord:
        data, size, look, reason = b"", (0, 0), "", ""
        try:
            data = stored_bytes(image.path)
            decoded = decode(data)
            size, look = decoded.size, fingerprint(decoded)
        except OSError as error:
            reason = error.strerror or type(error).__name__
        except UnreadableImage as error:
            reason = str(error)
        return ImageRecord(
            key=image.key,
            path=image.path,
            label=image.label,
            class_name=classes.classes[image.label].name if image.label >= 0 else "",
            sha256=hashlib.sha256(data).hexdigest(),
            width=size[0],
            height=size[1],
            reason=reason,
            fingerprint=look,
        )

    records = list(in_threads(record, listed.images, threads))
    if all(record.reason for record in records):
        raise InputError(
            f"{origin}: none of the {len(records)} images below {root} can be read "
            f"({records[0].key}: {records[0].reason})"
        )
    unreadable = sum(bool(record.reason) for record in records)
    return Table(records, classes.sha256, {**listed.meta, "n_unreadable": unreadable})


def in_threads(work: Callable[[S], T], items: Sequence[S], threads: int) -> Iterator[T]:
    """Apply `work` to all items, in order; only a block of them waits in memory at a time."""
    with ThreadPoolExecutor(max(1, threads)) as pool:
        for start in range(0, len(items), BLOCK):
            yield from pool.map(work, items[start : start + BLOCK])


def stored_bytes(path: str) -> bytes:
    """Read an image by the `path` of its listing.

    Raises:
        OSError: if there is no such file, or it is none that can hold an image.
        InputError: if an archive is broken.
    """
    archive, _, row = path.rpartition("#")
    if archive and "\0" not in path and not Path(path).exists() and Path(archive).is_file():
        from susx.datasets.archives import member_bytes
        from susx.datasets.cifar import image_row

        data = image_row(archive, int(row)) if row.isdigit() else member_bytes(path)
        if data is not None:
            return data
    return read_regular(path, MAX_BYTES)


def describe(table: Table) -> str:
    """One line about an image manifest, for the log."""
    meta = table.meta
    text = f"{len(table.records)} images, {meta['n_unreadable']} unreadable"
    if meta["n_other_files"]:
        text += f", {meta['n_other_files']} other files ignored"
    for thing, absent in (("folder for", "folder"), ("images of", "images")):
        if names := meta.get(f"classes_without_{absent}"):
            text += f"; no {thing} {listing(names)}"
    return text


def read_listed(record: ImageRecord) -> bytes:
    """Read the file of an image manifest's record.

    Raises:
        InputError: if it has changed since the manifest was written.
    """
    try:
        data = stored_bytes(record.path)
    except OSError:
        data = b""
    if hashlib.sha256(data).hexdigest() != record.sha256:
        raise InputError(
            f"{record.path}: changed or gone since the image manifest was written; run again"
        )
    return data
