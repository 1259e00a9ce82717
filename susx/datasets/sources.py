"""Finding a dataset on disk, and listing the images of its splits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from pydantic import TypeAdapter

from susx.config.cards import Card
from susx.config.datasets import ImageSettings
from susx.config.sources import LAYOUTS, AnySource, Split
from susx.core.errors import InputError, listing, suggestion
from susx.datasets.layouts.base import Layout
from susx.datasets.layouts.class_folders import ClassFolders
from susx.datasets.layouts.csv_lists import CsvLists
from susx.datasets.manifest import examined
from susx.datasets.naming import check_positions
from susx.images.listing import Listing
from susx.manifests.classes import ClassManifest, class_manifest
from susx.manifests.tables import Table

SOURCES: TypeAdapter[Any] = TypeAdapter(AnySource)
OWN = "own"


@dataclass(frozen=True)
class Place:
    """A source, the folder that its paths are relative to, and where they are downloaded from."""

    source: Layout
    base: Path
    address: str | None = None

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Place:
        """The place of plain values that `settings` gives.

        Raises:
            InputError: if no installed package brings its layout.
        """
        LAYOUTS.named(settings["source"]["layout"])
        return cls(SOURCES.validate_python(settings["source"]), Path(settings["base"]))

    @property
    def layout(self) -> str:
        """Name of the layout."""
        return str(vars(self.source)["layout"])

    @property
    def splits(self) -> list[Split]:
        """Splits that it has, in the order of their use."""
        return self.source.has

    def holds(self, split: Split) -> bool:
        """Whether images of a split, or the list that names them, lie there."""
        return self.source.holds(self.base, split)

    def files(self, split: Split) -> list[Path]:
        """Lists, shards and folders that the images of a split come from; some may be missing."""
        return self.source.files(self.base, split)

    def listed(self, split: Split) -> dict[str, list[str]]:
        """Images that may lie anywhere, there or not, by the list that names them."""
        return self.source.listed(self.base, split)

    def patterns(self, split: Split) -> list[str]:
        """Patterns of the shards that are there, and of what lies beside them."""
        return self.source.patterns(self.base, split)

    def fetched(self, split: Split) -> list[str]:
        """Patterns of the files that a download brings."""
        found = self.source.published(split)
        return found.below(self.base) if found else []

    def settings(self, split: Split) -> dict[str, Any]:
        """The place and a split of it as plain values, for `list_split`."""
        return {"source": self.source.settings(split), "base": str(self.base), "split": split}

    def published(self, split: Split) -> dict[str, Any]:
        """What is downloaded of a split, as plain values, for `download_split`."""
        found = self.source.published(split)
        return {
            "address": self.address,
            "folder": str(self.base),
            "pattern": found.pattern if found else None,
            "names": found.beside if found else [],
        }


def locate(
    images: ImageSettings, card: Card | None, key: str, classes: ClassManifest | None = None
) -> Place:
    """Find the source of a dataset's images.

    Args:
        images: folders by split, or a root.
        card: dataset card, whose sources are looked for below a root, in its order.
        key: of `images` in config.yaml, for error messages.
        classes: those of the dataset, if they may be others than the card's.

    Raises:
        InputError: if nothing of what the card lists is there, or can be downloaded, or if it tells
            classes by positions that these classes do not have.
    """
    place = _located(images, card, key)
    if images.root is not None and card is not None and classes is not None:
        check_positions(classes, class_manifest(card.model_dump()["classes"]), place.source, key)
    return place


def _located(images: ImageSettings, card: Card | None, key: str) -> Place:
    if images.root is None:
        folders: dict[Split, str | None] = {
            "train": images.train,
            "validation": images.validation,
            "test": images.test,
        }
        splits = {split: folder for split, folder in folders.items() if folder is not None}
        if not splits:
            raise InputError(f"{key}: names no labelled images")
        return Place(_own(splits, key), Path())
    sources = cast(list[Layout], card.sources) if card else []
    if images.source is not None:
        names = [source.name for source in sources]
        if images.source not in names:
            hint = suggestion(images.source, names) or f"; there are {listing(names)}"
            raise InputError(f'{key}.source: the card has no source "{images.source}"{hint}')
        sources = [source for source in sources if source.name == images.source]
    if images.download:
        return _published(images.root, images.download, sources, key)
    root, wanted = Path(images.root), []
    if not root.is_dir():
        fetched = [source.name for source in sources if source.address]
        which = f" with `source`, one of {listing(fetched)}," if len(fetched) > 1 else ""
        hint = f"; `download: true`{which} fetches it" if fetched else ""
        raise InputError(f"{key}.root: folder not found: {root}{hint}")
    for source in sources:
        for below in source.below:
            base = root / below
            if source.is_there(base):
                return Place(source, base)
            wanted += [Path(below, mark) for mark in source.marks()]
    raise InputError(
        f"{key}.root: {root} has none of {listing(wanted, 12)}, by which "
        f"{card.title if card else 'it'} is recognised; see docs/datasets.md"
    )


def _published(root: str, download: str | bool, sources: Sequence[Layout], key: str) -> Place:
    """Place of the one source that can be downloaded; its files need not be there yet."""
    given = download if isinstance(download, str) else None
    there = [s for s in sources if any(map(s.published, s.has)) and (given or s.address)]
    if not there:
        raise InputError(
            f"{key}.download: the card says of no such source where it is published; give its "
            "address, and with `source` its name, or put the files into `root`"
        )
    if len(there) > 1:
        names = listing(source.name for source in there)
        raise InputError(f"{key}.source: several can be downloaded; name one of {names}")
    return Place(there[0], Path(root, there[0].below[0]), given or there[0].address)


def _own(splits: dict[Split, str], key: str) -> Layout:
    listed = [split for split, path in splits.items() if Path(path).suffix.lower() == ".csv"]
    if not listed:
        return ClassFolders(name=OWN, layout="class-folders", splits=splits)
    for split in splits:
        if split not in listed:
            raise InputError(
                f"{key}.{split}: a folder, but {listed[0]} is a CSV file; use one kind"
            )
    return CsvLists(name=OWN, layout="csv", splits=splits)


def list_split(settings: Mapping[str, Any], classes: ClassManifest, key: str) -> Listing:
    """List the images of a split.

    Args:
        settings: `Place.settings` of the split.
        classes: class manifest.
        key: of the split in config.yaml, for error messages.

    Raises:
        InputError: if files are missing, broken, or name other classes.
    """
    place = Place.of(settings)
    found = place.source.labelled_images(place.base, settings["split"], classes, key)
    return Listing(found.images, {**found.meta, "source": place.source.name})


def split_manifest(
    settings: Mapping[str, Any],
    classes: ClassManifest,
    key: str,
    threads: int = 1,
    address: str | None = None,
) -> Table:
    """List the images of a split and decode each once.

    Returns:
        Table of ImageRecord in class order; `meta` names the source, and the address that its files
        were downloaded from.

    Raises:
        InputError: as `list_split` does, or if no image can be read.
    """
    listed = list_split(settings, classes, key)
    meta = listed.meta | ({"address": address} if address else {})
    return examined(Listing(listed.images, meta), classes, key, threads)
