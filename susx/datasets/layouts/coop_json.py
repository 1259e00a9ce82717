"""A split file as CoOp publishes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from susx.config.sources import Split
from susx.core.errors import InputError
from susx.core.files import read_json
from susx.datasets.layouts.base import USED_IN_ORDER, Layout
from susx.datasets.layouts.lists import listing_of_rows
from susx.datasets.naming import class_indices
from susx.images.listing import Listing
from susx.manifests.classes import ClassManifest

COOP_KEYS: dict[Split, str] = {"train": "train", "validation": "val", "test": "test"}


class CoopSplit(Layout):
    """A split file as CoOp publishes: JSON lists `[path, label, class name]` under three keys."""

    may_lack: ClassVar[bool] = True

    layout: Literal["coop-json"] = Field(description="Kind of layout.")
    file: str = Field(description="The split file.")
    images: str | Annotated[list[str], Field(min_length=1)] = Field(
        ".",
        description="Folder that its paths are relative to; of several the first that is there.",
    )

    def labelled_images(
        self, base: Path, split: Split, classes: ClassManifest, origin: str
    ) -> Listing:
        """List the images of one part of a split file; label and name of a row must agree.

        Raises:
            InputError: if the file is missing or broken, or its labels are not those of the
                classes.
        """
        path = base / self.file
        data = read_json(path)
        key = COOP_KEYS[split]
        if not isinstance(data, dict) or set(data) != set(COOP_KEYS.values()):
            raise InputError(
                f"{path}: not a split file: its keys must be `train`, `val` and `test`"
            )
        rows = data[key]
        if not isinstance(rows, list) or not all(map(_is_row, rows)):
            raise InputError(f"{path}: {key}: not a list of [path, label, class name]")
        pairs = list(dict.fromkeys((label, name) for _, label, name in rows))
        names = dict.fromkeys(name for _, name in pairs)
        indices = class_indices(classes, names, self, f"{origin}: {path}")
        for label, name in pairs:
            if indices[name] != label:
                raise InputError(
                    f'{path}: {key}: label {label} is "{name}", which is class {indices[name]} of '
                    "the card; use the class list that the file was made for"
                )
        listed = ((name, label) for name, label, _ in rows)
        return listing_of_rows(listed, self._folder(base), f"{path}: {key}", classes)

    @property
    def has(self) -> list[Split]:
        """All splits."""
        return list(USED_IN_ORDER)

    def marks(self) -> list[str]:
        """The split file."""
        return [self.file]

    def files(self, base: Path, split: Split) -> list[Path]:
        """The split file, and the folder of images."""
        return [base / self.file, self._folder(base)]

    @property
    def folders(self) -> list[str]:
        """Folders that its images may lie in."""
        return [self.images] if isinstance(self.images, str) else self.images

    def _folder(self, base: Path) -> Path:
        there = (base / name for name in self.folders if (base / name).is_dir())
        return next(there, base / self.folders[0])


def _is_row(row: Any) -> bool:
    match row:
        case [str(), int() as label, str()]:
            return not isinstance(label, bool)
    return False
