"""One folder per split with one subfolder per class."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from susx.config.sources import Split
from susx.datasets.layouts.base import Layout
from susx.datasets.naming import class_indices
from susx.images.kinds import visible_folders
from susx.images.listing import Listing, labelled_folders, subfolders
from susx.manifests.classes import ClassManifest


class ClassFolders(Layout):
    """One folder per split with one subfolder per class."""

    layout: Literal["class-folders"] = Field(description="Kind of layout.")
    splits: dict[Split, str] = Field(min_length=1, description="Folder of every split.")

    def labelled_images(
        self, base: Path, split: Split, classes: ClassManifest, origin: str
    ) -> Listing:
        """List the images of a split that has one subfolder per class.

        Raises:
            InputError: if the folder is missing, or a subfolder names no class.
        """
        root = base / self.splits[split]
        names = subfolders(root, origin)
        labels = class_indices(classes, names, self, f"{origin}: {root}")
        return labelled_folders(root, labels, classes)

    def is_there(self, base: Path) -> bool:
        """Whether there are folders of classes: tars of a mirror lie in folders called the same."""
        roots = (base / mark for mark in self.marks())
        return any(root.is_dir() and visible_folders(root) for root in roots)
