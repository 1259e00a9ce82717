"""Sources with images inside larger files, which number the classes."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from susx.config.sources import Address, Split
from susx.core.errors import InputError
from susx.core.patterns import require_listable
from susx.datasets.layouts.base import Layout, Published
from susx.images.listing import ListedImage, Listing
from susx.manifests.classes import ClassManifest

DIGITS = re.compile(rb"\s*-?[0-9]{1,100}\s*")

Meaning = Mapping[str, int] | Sequence[int]
"""Class index by name or by number."""


class Shards(Layout):
    """A source that numbers the classes, and mostly says somewhere what they are called."""

    order: Literal["names", "card"] = Field(
        "names",
        description="`names`: the names that the source gives its numbers tell which class is "
        "meant; `card`: the numbers are those of the card, whatever the names are.",
    )
    url: Address | None = Field(
        None,
        description="Where it is published: `hf://datasets/OWNER/NAME`, with `@REVISION` behind it "
        "or not, or the address of a folder.",
    )

    @property
    def beside(self) -> list[str]:
        """Files that lie beside the shards, if they exist."""
        return []

    @property
    def counts(self) -> bool:
        """Whether names or numbers are those of the card."""
        return super().counts or self.order == "card"

    def marks(self) -> list[str]:
        """Those of the test images, if it has any: training images alone are no dataset."""
        return [self.by_split["test"]] if "test" in self.by_split else super().marks()

    def is_there(self, base: Path) -> bool:
        """Whether there is any shard."""
        return any(any(base.glob(mark)) for mark in self.marks())

    def holds(self, base: Path, split: Split) -> bool:
        """Whether there is any shard of a split."""
        return any(base.glob(self.by_split[split]))

    def files(self, base: Path, split: Split) -> list[Path]:
        """The shards of a split, and what lies beside them."""
        beside = (base / name for name in self.beside)
        shards = sorted(base.glob(self.by_split[split]))
        return shards + [file for file in beside if file.is_file()]

    def patterns(self, base: Path, split: Split) -> list[str]:
        """Those of `published`."""
        return self.published(split).below(base)

    @property
    def address(self) -> str | None:
        """Where it is published."""
        return self.url

    def published(self, split: Split) -> Published:
        """The shards of a split, and what lies beside them."""
        return Published(self.by_split[split], self.beside)


def shard_files(base: Path, pattern: str, origin: str) -> list[Path]:
    """Files of a pattern by name.

    Raises:
        InputError: if there are none, or a folder cannot be listed.
    """
    require_listable(f"{glob.escape(str(base))}/{pattern}")
    paths = sorted(base.glob(pattern))
    if not paths:
        raise InputError(f"{origin}: no files {base / pattern}")
    return paths


def label_of(value: Any, origin: str, indices: Meaning) -> int:
    """Class index that a number or name stands for.

    Raises:
        InputError: if it stands for none.
    """
    if isinstance(indices, Mapping):
        if value not in indices:
            raise InputError(f"{origin}: {value!r} is no label")
        return indices[value]
    number = _number(value)
    if number is None:
        raise InputError(f"{origin}: {value!r} is no label; labels are numbers")
    if not 0 <= number < len(indices):
        raise InputError(f"{origin}: label {number}, but there are {len(indices)} classes")
    return indices[number]


def _number(value: Any) -> int | None:
    """A whole number, or the digits of one; nothing is rounded."""
    if isinstance(value, bytes):
        return int(value) if DIGITS.fullmatch(value) else None
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if number == value else None


def listing_of_members(
    images: Iterable[ListedImage], base: Path, classes: ClassManifest, n_others: int = 0
) -> Listing:
    """What was found of a split."""
    listed = list(images)
    used = {image.label for image in listed}
    absent = [c.name for c in classes if c.index not in used]
    meta = {"folder": str(base), "n_other_files": n_others, "classes_without_images": absent}
    return Listing(listed, meta)
