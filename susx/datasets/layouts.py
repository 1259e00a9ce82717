"""Layouts of image files: class folders, CoOp's split files, and FGVC's lists."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

from susx.config_sources import ClassFolders, CoopSplit, FgvcLists, SourceBase, Split
from susx.datasets.naming import class_indices
from susx.errors import InputError
from susx.files import read_json
from susx.images import Listed, Listing, labelled_folders, subfolders
from susx.manifests import ClassManifest

COOP_KEYS: dict[Split, str] = {"train": "train", "validation": "val", "test": "test"}


def class_folders(
    source: ClassFolders, base: Path, split: Split, classes: ClassManifest, origin: str
) -> Listing:
    """List the images of a split that has one subfolder per class.

    Raises:
        InputError: if the folder is missing, or a subfolder names no class.
    """
    root = base / source.splits[split]
    names = subfolders(root, origin)
    labels = class_indices(classes, names, source, f"{origin}: {root}")
    return labelled_folders(root, labels, classes)


def coop_split(
    source: CoopSplit, base: Path, split: Split, classes: ClassManifest, origin: str
) -> Listing:
    """List the images of one part of a split file; label and name of a row must agree.

    Raises:
        InputError: if the file is missing or broken, or its labels are not those of the classes.
    """
    path = base / source.file
    data = read_json(path)
    key = COOP_KEYS[split]
    if not isinstance(data, dict) or set(data) != set(COOP_KEYS.values()):
        raise InputError(f"{path}: not a split file: its keys must be `train`, `val` and `test`")
    rows = data[key]
    if not isinstance(rows, list) or not all(map(_is_row, rows)):
        raise InputError(f"{path}: {key}: not a list of [path, label, class name]")
    pairs = list(dict.fromkeys((label, name) for _, label, name in rows))
    names = dict.fromkeys(name for _, name in pairs)
    indices = class_indices(classes, names, source, f"{origin}: {path}")
    for label, name in pairs:
        if indices[name] != label:
            raise InputError(
                f'{path}: {key}: label {label} is "{name}", which is class {indices[name]} of the '
                "card; use the class list that the file was made for"
            )
    listed = ((name, label) for name, label, _ in rows)
    return _listing(listed, base / source.images, source, f"{path}: {key}", classes)


def fgvc_lists(
    source: FgvcLists, base: Path, split: Split, classes: ClassManifest, origin: str
) -> Listing:
    """List the images of a text file with lines `identifier class name`.

    Raises:
        InputError: if the file is missing or broken, or a name is that of no class.
    """
    path = base / source.splits[split]
    try:
        lines = path.read_text("utf-8").splitlines()
    except FileNotFoundError:
        raise InputError(f"{path}: file not found") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: not UTF-8 text") from None
    rows = []
    for number, line in enumerate(lines, start=1):
        match line.split(maxsplit=1):
            case [identifier, name]:
                rows.append((identifier, name.strip()))
            case []:
                continue
            case _:
                raise InputError(f"{path}: line {number}: no class name after {line.strip()!r}")
    names = dict.fromkeys(name for _, name in rows)
    indices = class_indices(classes, names, source, f"{origin}: {path}")
    listed = ((f"{identifier}{source.suffix}", indices[name]) for identifier, name in rows)
    return _listing(listed, base / source.images, source, str(path), classes)


def _is_row(row: Any) -> bool:
    match row:
        case [str(), int() as label, str()]:
            return not isinstance(label, bool)
    return False


def _listing(
    rows: Iterable[tuple[str, int]],
    folder: Path,
    source: SourceBase,
    origin: str,
    classes: ClassManifest,
) -> Listing:
    """Images of a list in label order, each once and below `folder`."""
    images: dict[str, Listed] = {}
    for name, label in rows:
        parts = PurePosixPath(name)
        if parts.is_absolute() or ".." in parts.parts:
            raise InputError(f'{origin}: "{name}" leads out of the folder of images')
        if name in images:
            raise InputError(f'{origin}: "{name}" is listed twice; remove one')
        images[name] = Listed(name, str(folder / name), label)
    if not images:
        raise InputError(f"{origin}: lists no images")
    used = {image.label for image in images.values()}
    meta = {
        "folder": str(folder),
        "n_other_files": 0,
        "classes_without_images": [c.name for c in classes if c.index not in used],
    }
    return Listing(sorted(images.values(), key=lambda image: image.label), meta)
