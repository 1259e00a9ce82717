"""Decoding images and listing labelled folders."""

from __future__ import annotations

import hashlib
import io
import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from susx.errors import InputError, listing
from susx.files import read_regular
from susx.manifests import ClassManifest, ImageRecord, Table, find_all
from susx.plain import well_formed
from susx.support.duplicates import fingerprint

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
SUFFIXES = frozenset(
    {
        ".avif",
        ".bmp",
        ".gif",
        ".jpe",
        ".jpeg",
        ".jpg",
        ".pgm",
        ".png",
        ".ppm",
        ".tif",
        ".tiff",
        ".webp",
    }
)
MAX_PIXELS = 178_956_970
MAX_BYTES = 2**30
"""Larger than any image of `MAX_PIXELS` in a common format."""
BLOCK = 4096

S = TypeVar("S")
T = TypeVar("T")


class UnreadableImage(ValueError):
    """Image bytes that cannot be decoded; the message is the reason."""


def decode(data: bytes, draft: int | None = None) -> Image:
    """Decode image bytes to RGB; the content decides the format, not the file name.

    The first frame of an animation is taken, transparency is dropped, and EXIF rotation is not
    applied: so do the published preprocessing pipelines of CLIP.

    Args:
        data: file contents.
        draft: a JPEG is decoded at the smallest of its scales (1, 1/2, 1/4, 1/8) whose sides are
            not below this many pixels, which is faster and not quite the same.

    Raises:
        UnreadableImage: if the bytes are no image of a known format, are truncated, or hold more
            than `MAX_PIXELS` pixels.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise UnreadableImage(f"more than {MAX_PIXELS} pixels")
                if draft is not None and min(image.size) >= draft:
                    image.draft(None, (draft, draft))
                image.load()
                return as_rgb(image)
    except UnidentifiedImageError:
        raise UnreadableImage("not an image of a known format" if data else "empty file") from None
    except Image.DecompressionBombError:
        raise UnreadableImage(f"more than {MAX_PIXELS} pixels") from None
    except UnreadableImage:
        raise
    except Exception as error:  # decoders raise many kinds for broken images
        raise UnreadableImage(f"{type(error).__name__}: {error}") from None


def as_rgb(image: Image) -> Image:
    """Convert an image of any mode to RGB, without its transparency."""
    if image.mode.startswith("I;16"):
        return image.point(lambda value: value / 256).convert("L").convert("RGB")
    return (image.convert("RGBA") if image.mode == "P" else image).convert("RGB")


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
    """Yield the image files below `folder`, sorted, hidden ones left out."""
    names, _ = _image_names(folder)
    yield from (folder / name for name in names)


def _image_names(folder: Path) -> tuple[list[str], int]:
    """Sorted relative paths of images, and the number of all files.

    Asks the disk once per folder, and makes no object per file: there may be millions.
    """
    names, count = [], 0
    for place, _, files in os.walk(folder):
        parts = Path(place).relative_to(folder).parts
        count += len(files)
        if not any(part[0] == "." for part in parts):
            names += ["/".join((*parts, name)) for name in files if is_image(name)]
    return sorted(names, key=lambda name: name.split("/")), count


def is_image(name: str) -> bool:
    """Whether a file name is that of an image, and not hidden."""
    stem, dot, suffix = name.rpartition(".")
    return stem != "" and name[0] != "." and f"{dot}{suffix}".lower() in SUFFIXES


def unlabelled_images(root: Path, origin: str) -> Listing:
    """List the images below a folder, whatever its subfolders are called.

    Args:
        root: the folder.
        origin: key that names it, for error messages.

    Raises:
        InputError: if there is no such folder.
    """
    if not root.is_dir():
        raise InputError(f"{origin}: folder not found: {root}")
    names, count = _image_names(root)
    images = [Listed(name, f"{root}/{name}", -1) for name in names]
    return Listing(images, {"folder": str(root), "n_other_files": count - len(names)})


def subfolders(root: Path, origin: str) -> list[str]:
    """Sorted names of the visible folders in `root`.

    Raises:
        InputError: if there are none.
    """
    if not root.is_dir():
        raise InputError(f"{origin}: folder not found: {root}")
    names = sorted(p.name for p in root.iterdir() if p.is_dir() and p.name[0] != ".")
    if not names:
        raise InputError(f"{origin}: {root} has no subfolders; make one per class")
    return names


def labelled_folders(root: Path, labels: Mapping[str, int], classes: ClassManifest) -> Listing:
    """List the images of folders whose classes are known.

    Args:
        root: folder of all of them.
        labels: class index by name of folder.
        classes: class manifest.
    """
    images: list[Listed] = []
    folders = [path for path in root.iterdir() if path.is_dir()]
    files = sum(1 for _ in root.iterdir()) - len(folders)
    found = {path.name: _image_names(path) for path in folders}
    for name, label in sorted(labels.items(), key=lambda item: item[1]):
        keys = (f"{name}/{image}" for image in found[name][0])
        images += (Listed(key, f"{root}/{key}", label) for key in keys)
    files += sum(count for _, count in found.values())
    known = set(labels.values())
    meta = {
        "folder": str(root),
        "n_other_files": files - len(images),
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
