"""Layouts of image files: class folders, CoOp's split files, FGVC's lists, and CSV files."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

from susx.config.sources import ClassFolders, CoopSplit, CsvLists, FgvcLists, NamedSource, Split
from susx.config.types import repeats
from susx.core.errors import InputError, listing
from susx.core.files import read_json
from susx.datasets.naming import class_indices
from susx.images.listing import Listed, Listing, labelled_folders, subfolders
from susx.manifests.classes import ClassManifest

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
    return _listing(listed, base / source.images, f"{path}: {key}", classes)


def fgvc_lists(
    source: FgvcLists, base: Path, split: Split, classes: ClassManifest, origin: str
) -> Listing:
    """List the images of a text file with lines `identifier class name`.

    Raises:
        InputError: if the file is missing or broken, or a name is that of no class.
    """
    path = base / source.splits[split]
    rows = []
    for number, line in enumerate(io.StringIO(_text(path), newline=None), start=1):
        match line.split(maxsplit=1):
            case [identifier, name]:
                rows.append((identifier, name.strip()))
            case []:
                continue
            case _:
                raise InputError(f"{path}: line {number}: no class name after {line.strip()!r}")
    named = [(f"{identifier}{source.suffix}", name) for identifier, name in rows]
    return _named_listing(named, base / source.images, source, path, classes, origin)


def csv_lists(
    source: CsvLists, base: Path, split: Split, classes: ClassManifest, origin: str
) -> Listing:
    """List the images of a CSV file; labels are names, and stay text whatever they look like.

    Raises:
        InputError: if the file is missing or broken, or a name is that of no class.
    """
    path = base / source.splits[split]
    reader = csv.DictReader(io.StringIO(_text(path), newline=""), strict=True)
    try:
        rows = [(reader.line_num, row) for row in reader]
    except csv.Error as error:
        raise InputError(f"{path}: after line {reader.line_num}: {error}") from None
    if missing := {"path", "label"} - set(reader.fieldnames or ()):
        has = listing(reader.fieldnames or ())
        raise InputError(
            f"{path}: the first line names no column {listing(sorted(missing))}"
            + (f", but {has}; columns are set apart by commas" if has else "")
        )
    if repeated := repeats(name for name in reader.fieldnames or () if name):
        raise InputError(f"{path}: the first line names column {listing(repeated)} twice")
    for number, row in rows:
        if any(extra := row.get(None, [])):
            raise InputError(
                f"{path}: line {number}: {listing(extra)} stands behind the last column of the "
                "first line; put a value with commas in double quotes"
            )
        if not row["path"] or not row["label"]:
            raise InputError(f"{path}: line {number}: lacks path or label")
    folder = path.parent if source.images is None else base / source.images
    named = [(row["path"], row["label"].strip()) for _, row in rows]
    return _named_listing(named, folder, source, path, classes, origin, anywhere=True)


def listed_images(path: str, folder: str) -> list[str]:
    """Files that a CSV file names, there or not; none where it cannot be read."""
    try:
        rows = list(csv.DictReader(io.StringIO(_text(Path(path)), newline="")))
    except (InputError, OSError, csv.Error):
        return []
    return [str(Path(folder, row["path"])) for row in rows if row.get("path")]


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")  # breaks of lines as they are
    except FileNotFoundError:
        raise InputError(f"{path}: file not found") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: not UTF-8 text") from None


def _named_listing(
    rows: list[tuple[str, str]],
    folder: Path,
    source: NamedSource,
    path: Path,
    classes: ClassManifest,
    origin: str,
    anywhere: bool = False,
) -> Listing:
    """Images of a list with the names of their classes."""
    names = dict.fromkeys(name for _, name in rows)
    indices = class_indices(classes, names, source, f"{origin}: {path}")
    listed = ((image, indices[name]) for image, name in rows)
    return _listing(listed, folder, str(path), classes, anywhere)


def _is_row(row: Any) -> bool:
    match row:
        case [str(), int() as label, str()]:
            return not isinstance(label, bool)
    return False


def _listing(
    rows: Iterable[tuple[str, int]],
    folder: Path,
    origin: str,
    classes: ClassManifest,
    anywhere: bool = False,
) -> Listing:
    """Images of a list in label order, each once and, unless `anywhere`, below `folder`."""
    images: dict[str, Listed] = {}
    for name, label in rows:
        parts = PurePosixPath(name)
        if not anywhere and (parts.is_absolute() or ".." in parts.parts):
            raise InputError(f'{origin}: "{name}" leads out of the folder of images; remove it')
        place = str(folder / name)  # the same for `./a.jpg` and `a.jpg`
        if place in images:
            raise InputError(f'{origin}: "{name}" is listed twice; remove one')
        images[place] = Listed(name, place, label)
    if not images:
        raise InputError(f"{origin}: lists no images")
    used = {image.label for image in images.values()}
    meta = {
        "folder": str(folder),
        "n_other_files": 0,
        "classes_without_images": [c.name for c in classes if c.index not in used],
    }
    return Listing(sorted(images.values(), key=lambda image: image.label), meta)
