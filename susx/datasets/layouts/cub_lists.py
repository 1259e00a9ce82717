"""Text files of numbered images, as Caltech-UCSD Birds has them."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import ClassVar, Literal

from pydantic import Field

from susx.config.sources import Split
from susx.core.errors import InputError
from susx.datasets.layouts.base import Layout
from susx.datasets.layouts.lists import named_listing, text_of
from susx.images.listing import Listing
from susx.manifests.classes import ClassManifest

PATHS = "images.txt"
SPLITS = "train_test_split.txt"


class CubLists(Layout):
    """Numbered images in folders of classes: one text file has their paths, one their splits."""

    may_lack: ClassVar[bool] = True

    layout: Literal["cub-lists"] = Field(description="Kind of layout.")
    splits: dict[Split, str] = Field(
        min_length=1, description="What `train_test_split.txt` calls every split."
    )
    images: str = Field("images", description="Folder that the paths are relative to.")

    def labelled_images(
        self, base: Path, split: Split, classes: ClassManifest, origin: str
    ) -> Listing:
        """List the images of a split; the folder of an image names its class.

        Raises:
            InputError: if a file is missing or broken, tells no split of an image, or a folder
                names no class.
        """
        paths, splits = dict(_rows(base / PATHS)), dict(_rows(base / SPLITS))
        if odd := sorted(paths.keys() ^ splits.keys()):
            one, other = (PATHS, SPLITS) if odd[0] in paths else (SPLITS, PATHS)
            raise InputError(f"{base / other}: lacks image {odd[0]}, which {one} has")
        rows = [
            (path, PurePosixPath(path).parent.name)
            for number, path in paths.items()
            if splits[number] == self.splits[split]
        ]
        return named_listing(rows, base / self.images, self, base / PATHS, classes, origin)

    def marks(self) -> list[str]:
        """The text file of splits."""
        return [SPLITS]

    def files(self, base: Path, split: Split) -> list[Path]:
        """The text files, and the folder of images."""
        return [base / PATHS, base / SPLITS, base / self.images]


def _rows(path: Path) -> Iterator[tuple[str, str]]:
    """Number of every image, and what the file says of it."""
    seen = set()
    for line, text in enumerate(io.StringIO(text_of(path), newline=None), start=1):
        match text.split(maxsplit=1):
            case [number, value] if number not in seen:
                seen.add(number)
                yield number, value.strip()
            case []:
                continue
            case _:
                raise InputError(
                    f"{path}: line {line}: {text.strip()!r} is no new number with a value"
                )
