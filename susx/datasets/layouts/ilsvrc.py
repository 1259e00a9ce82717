"""ILSVRC 2012 in the forms that people have it in."""

from __future__ import annotations

import glob
import os
import posixpath
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from susx.config.sources import Split
from susx.config.types import repeats
from susx.core.errors import InputError, listing
from susx.core.patterns import UNLISTABLE
from susx.core.plain import well_formed
from susx.datasets.layouts.base import Layout
from susx.datasets.layouts.ilsvrc_truth import truth_files, wnids_by_image
from susx.datasets.layouts.shards import listing_of_members
from susx.datasets.naming import class_indices
from susx.images.kinds import is_image, visible_folders
from susx.images.listing import ListedImage, Listing, labelled_folders, list_images
from susx.images.tars import (
    TarImage,
    images_within,
    require_whole,
    tar_images,
    tars_within,
    uncompressed_tar,
)
from susx.manifests.classes import ClassManifest

CLASS_TAR = re.compile(r"n[0-9]{8}\.tar")
"""What tells the tar of a class from a shard of a mirror."""
SUFFIX = ".JPEG"
"""Of every image, whatever its format."""

Form = Literal["class folders", "class tars", "tar of class tars", "images", "tar of images"]


@dataclass(frozen=True)
class _Found:
    """Where a split lies: a folder, a tar, or a pattern of images."""

    path: Path
    form: Form


class IlsvrcPlaces(Layout):
    """ILSVRC 2012: every split lies in the first of its places that holds any of its images.

    A place is a folder, a tar, or a pattern of images. A folder holds a folder or a tar per class,
    or images whose classes a truth tells. A tar holds such images, or a tar per class if the split
    has no truth.
    """

    may_lack: ClassVar[bool] = True

    layout: Literal["ilsvrc"] = Field(description="Kind of layout.")
    splits: dict[Split, Annotated[list[str], Field(min_length=1)]] = Field(
        min_length=1,
        description="Folders, tars and patterns of images that a split may lie in; the first that "
        "holds any counts.",
    )
    truth: dict[Split, Annotated[list[str], Field(min_length=1)]] = Field(
        {},
        description="What may tell the classes of a split's images that lie in no folder per "
        "class: the development kit, unpacked or as `tar.gz`, or Kaggle's "
        "`LOC_val_solution.csv`; among them, beside them, or above them within the root.",
    )

    def labelled_images(
        self, base: Path, split: Split, classes: ClassManifest, origin: str
    ) -> Listing:
        """List the images of a split in class order.

        Images within tars are read as those of `webdataset` are.

        Raises:
            InputError: if there is none, some lie in folders of classes and others beside them, a
                tar is compressed or broken, a folder or tar names no class, or the truth is
                missing, broken, or tells no class of an image.
        """
        found = self._found(base, split)
        if found is None:
            places = self.splits[split]
            raise InputError(
                f"{origin}: folder not found: {base / places[0]}; nor do any of "
                f"{listing(places[1:], len(places))} hold its images"
            )
        if found.form == "class folders":
            _require_sorted(found.path)
            names = self._class_folders(found.path, split)
            return labelled_folders(
                found.path, self._labels(names, found, classes, origin), classes
            )
        if found.form in ("images", "tar of images"):
            files = self._truth(base, split, found.path)
            return self._told(found, files, classes, origin)
        images: list[ListedImage] = []
        n_others = 0
        for part, others in self._in_class_tars(found, classes, origin):
            images += part
            n_others += others
        in_order = sorted(images, key=lambda image: image.label)
        return listing_of_members(in_order, found.path, classes, n_others)

    def marks(self) -> list[str]:
        """Places of the test images, without which training images are no dataset."""
        return self.splits[self.has[-1]]

    def is_there(self, base: Path) -> bool:
        """Whether there are test images."""
        return self.holds(base, self.has[-1])

    def holds(self, base: Path, split: Split) -> bool:
        """Whether any of its places holds images of a split."""
        return self._found(base, split) is not None

    def files(self, base: Path, split: Split) -> list[Path]:
        """The folder or tars that a split lies in, and the truth if its images need it.

        Raises:
            InputError: if they do, and there is none, or the one tar of a split was cut short.
        """
        found = self._found(base, split)
        if found is None:
            return [base / self.splits[split][0]]
        if found.form == "class tars":
            return _tars_of_classes(found.path)
        if found.path.is_file():
            require_whole(found.path)
        truth = [] if "class" in found.form else self._truth(base, split, found.path)
        return truth if _is_pattern(found.path) else [found.path, *truth]

    def listed(self, base: Path, split: Split) -> dict[str, list[str]]:
        """Images that match a pattern, by the pattern."""
        found = self._found(base, split)
        if found is None or not _is_pattern(found.path):
            return {}
        return {str(found.path): sorted(map(str, found.path.parent.glob(found.path.name)))}

    def settings(self, split: Split) -> dict[str, Any]:
        """What the images of a split depend on, as plain values."""
        truth = {split: self.truth[split]} if split in self.truth else {}
        return super().settings(split) | {"truth": truth}

    def _found(self, base: Path, split: Split) -> _Found | None:
        empty = None
        for place in self.splits[split]:
            form = self._form(base / place, split)
            found = form and _Found(base / place, form)
            if found and (form != "class folders" or self._has_sorted(found.path, split)):
                return found
            empty = empty or found
        return empty

    def _form(self, path: Path, split: Split) -> Form | None:
        """What lies at a place; None if it holds no images of the split."""
        is_told = split in self.truth
        if _is_pattern(path):
            return "images" if is_told and any(path.parent.glob(path.name)) else None
        if path.is_file():
            return "tar of images" if is_told else "tar of class tars"
        if not path.is_dir():
            return None
        if self._class_folders(path, split):
            return "class folders"
        if _tars_of_classes(path):
            return "class tars"
        return "images" if is_told and any(map(is_image, _names(path))) else None

    def _class_folders(self, path: Path, split: Split) -> list[str]:
        """Names of the folders in a folder, but for a truth that lies there."""
        return [name for name in visible_folders(path) if name not in self.truth.get(split, ())]

    def _has_sorted(self, path: Path, split: Split) -> bool:
        """Whether any folder of a class has an image; they may have been made and not filled."""
        names = self._class_folders(path, split)
        return any(True for name in names for _ in list_images(path / name))

    def _truth(self, base: Path, split: Split, path: Path) -> list[Path]:
        for folder in (path, *(base / above for above in path.relative_to(base).parents)):
            for name in self.truth[split]:
                if files := truth_files(folder / name):
                    return files
        raise InputError(
            f"{path}: images without a folder per class, and nothing tells their classes; put one "
            f"of {listing(self.truth[split])} into {base}"
        )

    def _labels(
        self, names: Iterable[str], found: _Found, classes: ClassManifest, origin: str
    ) -> dict[str, int]:
        return class_indices(classes, names, self, f"{origin}: {found.path}")

    def _in_class_tars(
        self, found: _Found, classes: ClassManifest, origin: str
    ) -> Iterator[tuple[list[ListedImage], int]]:
        """Images of every tar of a class, in a folder or in another tar, and its other files."""
        if found.form == "class tars":
            files = {file.stem: file for file in _tars_of_classes(found.path)}
            labels = self._labels(files, found, classes, origin)
            for name, file in files.items():
                with uncompressed_tar(file) as tar:
                    images, n_others = tar_images(tar, ())
                yield _of_class(name, labels[name], file, images), n_others
            return
        with uncompressed_tar(found.path) as tar:
            members = tars_within(tar)
            labels = self._labels(members, found, classes, origin)
            for name, member in members.items():
                images, n_others = images_within(tar, member)
                yield _of_class(name, labels[name], found.path, images), n_others

    def _told(
        self, found: _Found, files: Sequence[Path], classes: ClassManifest, origin: str
    ) -> Listing:
        """Images whose classes a truth tells; files that it names are listed, there or not."""
        wnids, truth = wnids_by_image(files), files[0]
        labels = class_indices(classes, dict.fromkeys(wnids.values()), self, f"{origin}: {truth}")
        in_tar = found.form == "tar of images"
        there, n_others = (_images_of_tar if in_tar else _images_of_folder)(found.path)
        among = [path.relative_to(found.path) for path in files if found.path in path.parents]
        n_others -= len({path.parts[0] for path in among})  # a kit is one of them, with all in it
        if untold := [name for name in there if name not in wnids]:
            raise InputError(
                f"{truth}: tells no class of {len(untold)} of {len(there)} images in {found.path}: "
                f"{listing(untold)}; mend it if it is cut short, or remove them"
            )
        lost = [name for name in wnids if name not in there]
        if in_tar and lost:
            raise InputError(
                f"{found.path}: lacks {len(lost)} of {len(wnids)} images that {truth} names: "
                f"{listing(lost)}; fetch it again"
            )
        folder = found.path.parent if _is_pattern(found.path) else found.path
        there |= {name: (f"{name}{SUFFIX}", str(folder / f"{name}{SUFFIX}")) for name in lost}
        images = [ListedImage(*there[name], labels[wnid]) for name, wnid in wnids.items()]
        in_order = sorted(images, key=lambda image: (image.label, image.key))
        return listing_of_members(in_order, found.path, classes, n_others)


def _require_sorted(folder: Path) -> None:
    """Refuse images, and tars of other classes, beside folders of classes: work was interrupted."""
    names = {name for name in _names(folder) if not name.startswith(".")}
    packed = {name for name in names if CLASS_TAR.fullmatch(name)}
    unpacked = {name for name in packed if name.removesuffix(".tar") in names}
    if beside := sorted({*filter(is_image, names)} | (packed - unpacked)):
        raise InputError(
            f"{folder}: {len(beside)} images or tars of classes lie beside folders of classes: "
            f"{listing(beside)}; sort or unpack all of them, or none"
        )


def _is_pattern(path: Path) -> bool:
    return glob.has_magic(path.name)


def _names(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))  # noqa: PTH208
    except OSError as error:
        raise InputError(f"{folder}: {UNLISTABLE.format(error.strerror)}") from None


def _tars_of_classes(folder: Path) -> list[Path]:
    return [folder / name for name in _names(folder) if CLASS_TAR.fullmatch(name)]


def _of_class(name: str, label: int, tar: Path, images: Iterable[TarImage]) -> list[ListedImage]:
    return [
        ListedImage(f"{name}/{well_formed(image.key)}", _within(tar, image), label)
        for image in images
    ]


def _within(tar: Path, image: TarImage) -> str:
    return f"{tar}#{image.offset}-{image.size}"


def _images_of_tar(path: Path) -> tuple[dict[str, tuple[str, str]], int]:
    """Key and place of images by name without suffix and folder, and number of other files."""
    with uncompressed_tar(path) as tar:
        images, n_others = tar_images(tar, ())
    named = [(posixpath.basename(image.key), image) for image in images]
    _require_distinct((name for name, _ in named), path)
    return {n: (well_formed(image.key), _within(path, image)) for n, image in named}, n_others


def _images_of_folder(path: Path) -> tuple[dict[str, tuple[str, str]], int]:
    """The same of a folder, or of a pattern of images."""
    folder, names = path, _names(path.parent if _is_pattern(path) else path)
    if _is_pattern(path):
        folder, names = path.parent, [name for name in names if fnmatchcase(name, path.name)]
    images = [(posixpath.splitext(name)[0], name) for name in names if is_image(name)]
    _require_distinct((stem for stem, _ in images), path)
    return {stem: (name, str(folder / name)) for stem, name in images}, len(names) - len(images)


def _require_distinct(names: Iterable[str], path: Path) -> None:
    if repeated := repeats(names):
        raise InputError(f"{path}: has several images called {listing(repeated)}; keep one of each")
