"""Images of a dataset that a list names one by one."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from susx.core.errors import InputError
from susx.datasets.layouts.base import Layout
from susx.datasets.layouts.shards import listing_of_members
from susx.datasets.naming import class_indices
from susx.images.listing import ListedImage, Listing
from susx.manifests.classes import ClassManifest


def text_of(path: Path) -> str:
    """Read a text file.

    Raises:
        InputError: if it is missing, or not UTF-8.
    """
    try:
        return path.read_bytes().decode("utf-8-sig")  # breaks of lines as they are
    except FileNotFoundError:
        raise InputError(f"{path}: file not found") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: not UTF-8 text") from None


def named_listing(
    rows: list[tuple[str, str]],
    folder: Path,
    source: Layout,
    path: Path,
    classes: ClassManifest,
    origin: str,
    anywhere: bool = False,
) -> Listing:
    """Images of a list with the names of their classes."""
    names = dict.fromkeys(name for _, name in rows)
    indices = class_indices(classes, names, source, f"{origin}: {path}")
    listed = ((image, indices[name]) for image, name in rows)
    return listing_of_rows(listed, folder, str(path), classes, anywhere)


def listing_of_rows(
    rows: Iterable[tuple[str, int]],
    folder: Path,
    origin: str,
    classes: ClassManifest,
    anywhere: bool = False,
) -> Listing:
    """Images of a list in label order, each once and, unless `anywhere`, below `folder`."""
    images: dict[str, ListedImage] = {}
    for name, label in rows:
        parts = PurePosixPath(name)
        if not anywhere and (parts.is_absolute() or ".." in parts.parts):
            raise InputError(f'{origin}: "{name}" leads out of the folder of images; remove it')
        place = str(folder / name)  # the same for `./a.jpg` and `a.jpg`
        if place in images:
            raise InputError(f'{origin}: "{name}" is listed twice; remove one')
        images[place] = ListedImage(name, place, label)
    if not images:
        raise InputError(f"{origin}: lists no images")
    in_order = sorted(images.values(), key=lambda image: image.label)
    return listing_of_members(in_order, folder, classes)
