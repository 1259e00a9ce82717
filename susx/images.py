"""Decoding images and listing labelled folders."""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from susx.errors import InputError, listing
from susx.manifests import ClassManifest, ClassName, ImageRecord, Table, find_all
from susx.support.duplicates import fingerprint

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
SUFFIXES = frozenset(
    {".bmp", ".gif", ".jpe", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
)
MAX_PIXELS = 178_956_970


class UnreadableImage(ValueError):
    """Image bytes that cannot be decoded; the message is the reason."""


def decode(data: bytes) -> Image:
    """Decode image bytes to RGB; the content decides the format, not the file name.

    The first frame of an animation is taken, transparency is dropped, and EXIF rotation is not
    applied: so do the published preprocessing pipelines of CLIP.

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
                image.load()
                if image.mode.startswith("I;16"):
                    return image.point(lambda value: value / 256).convert("L").convert("RGB")
                opaque = image.convert("RGBA") if image.mode == "P" else image
                return opaque.convert("RGB")
    except UnidentifiedImageError:
        raise UnreadableImage("not an image of a known format" if data else "empty file") from None
    except Image.DecompressionBombError:
        raise UnreadableImage(f"more than {MAX_PIXELS} pixels") from None
    except UnreadableImage:
        raise
    except (OSError, ValueError, SyntaxError, EOFError, IndexError, MemoryError) as error:
        raise UnreadableImage(f"{type(error).__name__}: {error}") from None


def list_images(folder: Path) -> Iterator[Path]:
    """Yield the image files below `folder`, sorted, hidden ones left out."""
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder).parts
        hidden = any(part.startswith(".") for part in relative)
        if path.suffix.lower() in SUFFIXES and not hidden and not path.is_dir():
            yield path


def image_manifest(
    folder: str | Path, classes: ClassManifest, origin: str = "images", threads: int = 1
) -> Table:
    """List a folder with one subfolder per class, named by class name, slug, wnid or alias.

    Every image is decoded once. Those that cannot be decoded stay in the table with the reason.

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
    if not root.is_dir():
        raise InputError(f"{origin}: folder not found: {root}")
    subfolders = sorted(p.name for p in root.iterdir() if p.is_dir() and p.name[0] != ".")
    if not subfolders:
        raise InputError(f"{origin}: {root} has no subfolders; make one per class")
    labels = find_all(classes, subfolders, f"{origin}: {root}")
    jobs = [
        (path, classes.classes[label])
        for name, label in sorted(labels.items(), key=lambda item: item[1])
        for path in list_images(root / name)
    ]
    if not jobs:
        raise InputError(f"{origin}: no images below {root}; known suffixes: {sorted(SUFFIXES)}")

    def record(job: tuple[Path, ClassName]) -> ImageRecord:
        path, entry = job
        data, size, look, reason = b"", (0, 0), "", ""
        try:
            data = path.read_bytes()
            image = decode(data)
            size, look = image.size, fingerprint(image)
        except OSError as error:
            reason = error.strerror or type(error).__name__
        except UnreadableImage as error:
            reason = str(error)
        return ImageRecord(
            key=path.relative_to(root).as_posix(),
            path=str(path),
            label=entry.index,
            class_name=entry.name,
            sha256=hashlib.sha256(data).hexdigest(),
            width=size[0],
            height=size[1],
            reason=reason,
            fingerprint=look,
        )

    with ThreadPoolExecutor(max(1, threads)) as pool:
        records = list(pool.map(record, jobs))
    if all(record.reason for record in records):
        raise InputError(
            f"{origin}: none of the {len(records)} images below {root} can be read "
            f"({records[0].key}: {records[0].reason})"
        )
    files = sum(1 for path in root.rglob("*") if path.is_file())
    absent = [entry.name for entry in classes if entry.index not in set(labels.values())]
    meta = {
        "folder": str(root),
        "n_unreadable": sum(bool(record.reason) for record in records),
        "n_other_files": files - len(records),
        "classes_without_folder": absent,
    }
    return Table(records, classes.sha256, meta)


def describe(table: Table) -> str:
    """One line about an image manifest, for the log."""
    meta = table.meta
    text = f"{len(table.records)} images, {meta['n_unreadable']} unreadable"
    if meta["n_other_files"]:
        text += f", {meta['n_other_files']} other files ignored"
    if meta["classes_without_folder"]:
        text += f"; no folder for {listing(meta['classes_without_folder'])}"
    return text


def read_listed(record: ImageRecord) -> bytes:
    """Read the file of an image manifest's record.

    Raises:
        InputError: if it has changed since the manifest was written.
    """
    path = Path(record.path)
    data = path.read_bytes() if path.is_file() else b""
    if hashlib.sha256(data).hexdigest() != record.sha256:
        raise InputError(
            f"{path}: changed or gone since the image manifest was written; delete the manifest "
            "and run again"
        )
    return data
