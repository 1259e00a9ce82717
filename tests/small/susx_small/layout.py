"""A dataset with one zip file per split, and in it one folder per class."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Literal

from pydantic import Field

from susx.config.sources import Split
from susx.core.errors import InputError
from susx.datasets.layouts.base import Layout
from susx.datasets.naming import class_indices
from susx.images.kinds import is_image
from susx.images.listing import ListedImage, Listing
from susx.manifests.classes import ClassManifest

MARK = "#zip:"


class ZipFiles(Layout):
    """One zip file per split with one folder per class."""

    layout: Literal["zip"] = Field(description="Kind of layout.")
    splits: dict[Split, str] = Field(min_length=1, description="Zip file of every split.")

    def labelled_images(
        self, base: Path, split: Split, classes: ClassManifest, origin: str
    ) -> Listing:
        """List the images of a zip file by class.

        Raises:
            InputError: if the file is missing or broken, or a folder names no class.
        """
        file = base / self.splits[split]
        try:
            with zipfile.ZipFile(file) as opened:
                members = sorted(name for name in opened.namelist() if is_image(name))
        except (OSError, zipfile.BadZipFile) as error:
            raise InputError(f"{file}: not a readable zip file ({error})") from None
        folders = dict.fromkeys(name.rpartition("/")[0] for name in members)
        indices = class_indices(classes, folders, self, f"{origin}: {file}")
        images = [
            ListedImage(name, f"{file}{MARK}{name}", indices[name.rpartition("/")[0]])
            for name in members
        ]
        used = {image.label for image in images}
        absent = [entry.name for entry in classes if entry.index not in used]
        meta = {"folder": str(file), "n_other_files": 0, "classes_without_images": absent}
        return Listing(sorted(images, key=lambda image: image.label), meta)

    @classmethod
    def read(cls, path: str) -> bytes | None:
        """Read an image by `file#zip:member`.

        Raises:
            InputError: if the file is broken.
        """
        file, mark, member = path.rpartition(MARK)
        if not mark:
            return None
        try:
            with zipfile.ZipFile(file) as opened:
                return opened.read(member)
        except (KeyError, zipfile.BadZipFile) as error:
            raise InputError(f"{path}: cannot be read ({error})") from None
