"""What lies in a folder of images, and which class names fit it; no image is decoded."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from susx.config.datasets import ImageSettings
from susx.core.errors import InputError, listing
from susx.core.plain import well_formed
from susx.datasets.sources import list_split, locate
from susx.images.kinds import SUFFIXES, visible_folders
from susx.images.listing import list_images, unlabelled_images
from susx.manifests.classes import ClassManifest, class_manifest, read_class_list

SPLITS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
}
"""Splits of the configuration by the names of folders that usually hold them."""


@dataclass(frozen=True)
class ImageFinding:
    """What is classified.

    Attributes:
        classes: class manifest.
        section: `images` of the dataset in config.yaml.
        remarks: what a person should know, in sentences.
        named: whether subfolders gave the class names.
    """

    classes: ClassManifest
    section: dict[str, str]
    remarks: list[str]
    named: bool = False


def existing_path(path: Path) -> Path:
    """A path as it is given, if something is there.

    Raises:
        InputError: if not, or if its name is not UTF-8.
    """
    if well_formed(str(path)) != str(path):
        raise InputError(f"{path}: the file name is not UTF-8; rename it")
    if not path.exists():
        raise InputError(f"{path}: not found; name what exists, relative to this folder")
    return path


def look(
    images: Path, classes: Path | None, validation: Path | None = None, unlabelled: bool = False
) -> ImageFinding:
    """Look at images: a CSV file, a folder with one subfolder per class, or any other folder.

    Args:
        images: the file or folder.
        classes: text file with one class name per line; None to name classes by the subfolders.
        validation: labelled images for tuning, laid out like `images`.
        unlabelled: take the images for unlabelled, whatever their folders are called.

    Raises:
        InputError: if a path is missing, or class names are missing or unusable.
    """
    for path in filter(None, (images, validation, classes)):
        existing_path(path)
    listed = read_class_list(classes) if classes else []
    remarks: list[str] = []
    splits: dict[str, str] = {}
    known = class_manifest(listed, str(classes)) if classes else None
    at_once = known is not None and images.is_dir() and _class_folders(images, known)
    if not unlabelled and images.is_dir() and not at_once:
        images = _inside(images, remarks)
        images, splits = _splits(images, remarks)
    names = listed if classes else _subfolder_names(images)
    manifest = class_manifest(names, str(classes or images))
    if not unlabelled and images.is_dir() and not _class_folders(images, manifest):
        unlabelled = True
        remarks.append(f"{images}: no subfolder is named by a class; taken as unlabelled")
    if unlabelled and not images.is_dir():
        raise InputError(f"{images}: a file; unlabelled images are given as a folder")
    section = {**splits, "unlabelled" if unlabelled else "test": str(images)}
    if validation:
        section["validation"] = str(validation)
    return ImageFinding(manifest, section, remarks, named=classes is None)


def _inside(images: Path, remarks: list[str]) -> Path:
    """The folder of folders with images: archives often unpack to one folder around it."""
    inner = images
    while len(names := _with_images(inner)) == 1 and _only_folders(inner / names[0]):
        inner = inner / names[0]
    if inner != images:
        remarks.append(f"{images}: holds only {inner}, whose subfolders are taken")
    return inner


def _splits(images: Path, remarks: list[str]) -> tuple[Path, dict[str, str]]:
    """Folder of the test images, and of other splits by key, if the subfolders are splits."""
    folders = {name: visible_folders(images / name) for name in visible_folders(images)}
    kinds = Counter(SPLITS.get(name.lower(), "") for name in folders)
    same = len({tuple(inside) for inside in folders.values()}) == 1 and all(folders.values())
    if len(folders) < 2 or not same or kinds[""]:
        return images, {}
    if "test" not in kinds or max(kinds.values()) > 1:
        raise InputError(
            f"{images}: its subfolders {listing(folders)} are splits, of which one must be `test`; "
            "name the folder of one with --images, and of another with --validation"
        )
    found = {SPLITS[name.lower()]: images / name for name in folders}
    said = ", ".join(f"{folder.name} for {split}" for split, folder in found.items())
    remarks.append(f"{images}: its subfolders are splits: {said}")
    test = found.pop("test")
    return test, {split: str(folder) for split, folder in found.items()}


def _with_images(folder: Path) -> list[str]:
    return [n for n in visible_folders(folder) if next(list_images(folder / n), None)]


def _only_folders(folder: Path) -> bool:
    """Whether images lie in subfolders, and none beside these."""
    return bool(_with_images(folder)) and all(p.parent != folder for p in list_images(folder))


def _subfolder_names(images: Path) -> list[str]:
    advice = "give --classes, a text file with one class name per line"
    if not images.is_dir():
        raise InputError(f"{images}: a file names no classes by folders; {advice}")
    names = _with_images(images)
    if not names:
        raise InputError(f"{images}: no subfolders with images that could name classes; {advice}")
    return names


def _class_folders(images: Path, classes: ClassManifest) -> bool:
    return any(classes.find(name) is not None for name in visible_folders(images))


def counted(images: ImageSettings, classes: ClassManifest) -> dict[str, dict[str, int]]:
    """Number of images by class name, by labelled split; of unlabelled ones under name "".

    Raises:
        InputError: if there are none, or a subfolder or label names no class.
    """
    counts: dict[str, dict[str, int]] = {}
    if images.labelled:
        place = locate(images, None, "images")
        for split in place.splits:
            try:
                listed = list_split(place.settings(split), classes, f"images.{split}").images
            except InputError as error:
                raise InputError(f"{error}; or give --unlabelled, if they are no labels") from None
            by_label = Counter(image.label for image in listed)
            counts[split] = {entry.name: by_label[entry.index] for entry in classes}
    if images.unlabelled:
        found = unlabelled_images(Path(images.unlabelled), "images.unlabelled").images
        counts["unlabelled"] = {"": len(found)}
    for key, numbers in counts.items():
        if not any(numbers.values()):
            folder = getattr(images, key)
            raise InputError(f"{folder}: no images there; known suffixes: {sorted(SUFFIXES)}")
    return counts
