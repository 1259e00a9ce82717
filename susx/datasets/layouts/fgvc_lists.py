"""One text file per split, with an image's identifier and its class per line."""

from __future__ import annotations

import io
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from susx.config.sources import Split
from susx.core.errors import InputError
from susx.datasets.layouts.base import Layout
from susx.datasets.layouts.lists import named_listing, text_of
from susx.images.listing import Listing
from susx.manifests.classes import ClassManifest


class FgvcLists(Layout):
    """One text file per split, with an image's identifier and its class per line."""

    may_lack: ClassVar[bool] = True

    layout: Literal["fgvc-lists"] = Field(description="Kind of layout.")
    splits: dict[Split, str] = Field(min_length=1, description="Text file of every split.")
    images: str = Field("images", description="Folder of the images.")
    suffix: str = Field(".jpg", description="What follows the identifier in file names.")
    named_by: Literal["line", "identifier"] = Field(
        "line",
        description="Where the class stands: `line`: behind the identifier; `identifier`: in it, "
        "in front of its last underscore.",
    )

    def labelled_images(
        self, base: Path, split: Split, classes: ClassManifest, origin: str
    ) -> Listing:
        """List the images of a text file with lines `identifier class name`, or `class_1 ...`.

        Raises:
            InputError: if the file is missing or broken, or a name is that of no class.
        """
        path = base / self.splits[split]
        rows, where = [], "after" if self.named_by == "line" else "in"
        for number, line in enumerate(io.StringIO(text_of(path), newline=None), start=1):
            match self._words(line):
                case [identifier, name]:
                    rows.append((identifier, name.strip()))
                case []:
                    continue
                case _:
                    raise InputError(
                        f"{path}: line {number}: no class name {where} {line.strip()!r}"
                    )
        named = [(f"{identifier}{self.suffix}", name) for identifier, name in rows]
        return named_listing(named, base / self.images, self, path, classes, origin)

    def _words(self, line: str) -> list[str]:
        """Identifier and class name of a line, as far as they are there."""
        words = line.split(maxsplit=1)
        if self.named_by == "line" or not words:
            return words
        name, _, _ = words[0].rpartition("_")
        return [words[0], name] if name else words[:1]

    def files(self, base: Path, split: Split) -> list[Path]:
        """The list, and the folder of images."""
        return [base / self.splits[split], base / self.images]
