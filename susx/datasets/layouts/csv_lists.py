"""One CSV file per split, with columns `path` and `label`."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from susx.config.sources import Split
from susx.config.types import repeats
from susx.core.errors import InputError, listing
from susx.datasets.layouts.base import Layout
from susx.datasets.layouts.lists import named_listing, text_of
from susx.images.listing import Listing
from susx.manifests.classes import ClassManifest


class CsvLists(Layout):
    """One CSV file per split, with columns `path` and `label`; the first line names them."""

    may_lack: ClassVar[bool] = True

    layout: Literal["csv"] = Field(description="Kind of layout.")
    splits: dict[Split, str] = Field(min_length=1, description="CSV file of every split.")
    images: str | None = Field(
        None, description="Folder that paths are relative to; if left out, that of the CSV file."
    )

    def labelled_images(
        self, base: Path, split: Split, classes: ClassManifest, origin: str
    ) -> Listing:
        """List the images of a CSV file; labels are names, and stay text whatever they look like.

        Raises:
            InputError: if the file is missing or broken, or a name is that of no class.
        """
        path = base / self.splits[split]
        reader = csv.DictReader(io.StringIO(text_of(path), newline=""), strict=True)
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
        folder = self._folder(base, path)
        named = [(row["path"], row["label"].strip()) for _, row in rows]
        return named_listing(named, folder, self, path, classes, origin, anywhere=True)

    def listed(self, base: Path, split: Split) -> dict[str, list[str]]:
        """Files that the CSV file names, there or not; none where it cannot be read."""
        file = base / self.splits[split]
        try:
            rows = list(csv.DictReader(io.StringIO(text_of(file), newline="")))
        except (InputError, OSError, csv.Error):
            rows = []
        folder = self._folder(base, file)
        return {str(file): [str(folder / row["path"]) for row in rows if row.get("path")]}

    def _folder(self, base: Path, file: Path) -> Path:
        return file.parent if self.images is None else base / self.images
