"""Decoding images and listing labelled folders."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from susx.core.errors import InputError
from susx.images.kinds import told_apart, visible_folders
from susx.manifests.classes import ClassManifest


@dataclass(frozen=True)
class ListedImage:
    """An image that a dataset lists; `path` is a file, or `file#place` inside an archive.

    The label of an image without one is -1.
    """

    key: str
    path: str
    label: int


@dataclass(frozen=True)
class Listing:
    """The images of a split in class order, not yet looked at; `meta` says what else was found."""

    images: list[ListedImage]
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
    images = [ListedImage(name, f"{root}/{name}", -1) for name in names]
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
        ListedImage(key, f"{root}/{key}", label) for name, label in in_order for key in found[name]
    ]
    known = set(labels.values())
    meta = {
        "folder": str(root),
        "n_other_files": count - len(images),
        "classes_without_folder": [entry.name for entry in classes if entry.index not in known],
    }
    return Listing(images, meta)
