"""The contract of a layout: its section of a dataset card, which knows how such files lie."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, Field

from susx.config.sources import SourceBase, Split
from susx.config.types import WithoutRepeats
from susx.images.listing import Listing
from susx.manifests.classes import ClassManifest

USED_IN_ORDER: tuple[Split, ...] = ("train", "validation", "test")


def _expression(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f'"{text}" is not a regular expression: {error}') from None
    return text


@dataclass(frozen=True)
class Published:
    """Files that a download brings: those of a pattern, and others that lie beside them."""

    pattern: str
    beside: list[str]

    def below(self, base: Path) -> list[str]:
        """Patterns of all of them in a folder."""
        return [str(base / name) for name in (self.pattern, *self.beside)]


class Layout(SourceBase):
    """A source in some layout. All paths are relative to the folder `base` that it lies in.

    A layout with a key `splits`, which names a file or folder for every split, needs
    `labelled_images` alone.
    """

    may_lack: ClassVar[bool] = False
    """Whether it names images one by one, which need not be there."""

    names: Annotated[list[str], WithoutRepeats] = Field(
        [],
        description="What it calls the classes, in label order; if left out, their name, slug, "
        "wnid or an alias.",
    )
    strip: Annotated[str, AfterValidator(_expression)] | None = Field(
        None, description="Regular expression of what is cut out of its names of classes."
    )

    @abstractmethod
    def labelled_images(
        self, base: Path, split: Split, classes: ClassManifest, origin: str
    ) -> Listing:
        """List the images of a split.

        Labels come from `susx.datasets.naming`, never from the order in which files are found.

        Args:
            base: folder that it lies in.
            split: which images.
            classes: class manifest.
            origin: key of the split in config.yaml, for error messages.

        Raises:
            InputError: if files are missing, broken, or name other classes.
        """

    @property
    def by_split(self) -> Mapping[Split, Any]:
        """What its key `splits` says; what it says of one split is read for that alone."""
        splits: Mapping[Split, Any] = vars(self).get("splits", {})
        return splits

    @property
    def has(self) -> list[Split]:
        """Splits that it has, in the order of their use."""
        return [split for split in USED_IN_ORDER if split in self.by_split]

    @property
    def counts(self) -> bool:
        """Whether it tells classes by their positions in the card."""
        return bool(self.names)

    def marks(self) -> list[str]:
        """Files, folders or patterns of which any tells that it is there."""
        return list(self.by_split.values())

    def is_there(self, base: Path) -> bool:
        """Whether it lies in a folder."""
        return any((base / mark).exists() for mark in self.marks())

    def holds(self, base: Path, split: Split) -> bool:
        """Whether images of a split, or the list that names them, lie in a folder."""
        return any(path.exists() for path in self.files(base, split)[:1])

    def files(self, base: Path, split: Split) -> list[Path]:
        """Lists, shards and folders that the images of a split come from; some may be missing.

        Jobs are made again when these change; folders are looked at to the bottom.
        """
        return [base / self.by_split[split]]

    def listed(self, base: Path, split: Split) -> dict[str, list[str]]:
        """Images outside of `files`, there or not, by the list that names them."""
        return {}

    def patterns(self, base: Path, split: Split) -> list[str]:
        """Patterns of the shards that are there, and of what lies beside them."""
        return []

    @property
    def address(self) -> str | None:
        """Where it is published, if it can be downloaded from there."""
        return None

    def published(self, split: Split) -> Published | None:
        """What a download brings of a split; None if there is no way to download it."""
        return None

    def settings(self, split: Split) -> dict[str, Any]:
        """What the images of a split depend on, as plain values."""
        source = self.model_dump(exclude={"expected", "url"})
        if "splits" in source:  # other splits may come and go
            source["splits"] = {split: source["splits"][split]}
        return source

    @classmethod
    def read(cls, path: str) -> bytes | None:
        """Read an image that lies within a larger file.

        Args:
            path: of an image of a listing, whose form tells which layout it is of. Forms of other
                packages are `FILE#LAYOUT:PLACE`, with the name of the layout.

        Returns:
            None if the path is of another form.

        Raises:
            OSError: if the file is missing, or the image too large.
            InputError: if the file is broken.
        """
        return None
