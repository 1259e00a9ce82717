"""Finding a dataset on disk, and listing the images of its splits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from susx.config.cards import Card
from susx.config.datasets import Images
from susx.config.sources import (
    AnySource,
    CifarBatches,
    ClassFolders,
    CoopSplit,
    CsvLists,
    FgvcLists,
    ParquetShards,
    Shards,
    Split,
    WebdatasetShards,
)
from susx.core.errors import InputError, listing, suggestion
from susx.datasets.manifest import examined
from susx.datasets.naming import check_positions
from susx.images.kinds import visible_folders
from susx.images.listing import Listing
from susx.manifests.classes import ClassManifest, class_manifest
from susx.manifests.tables import Table

SOURCES: TypeAdapter[AnySource] = TypeAdapter(AnySource)
OWN = "own"


@dataclass(frozen=True)
class Place:
    """A source, the folder that its paths are relative to, and where they are downloaded from."""

    source: AnySource
    base: Path
    address: str | None = None

    @property
    def splits(self) -> list[Split]:
        """Splits that it has, in the order of their use."""
        has: tuple[Split, ...] = ("train", "validation", "test")
        if isinstance(self.source, CoopSplit):
            return list(has)
        return [split for split in has if split in self.source.splits]

    def files(self, split: Split) -> list[Path]:
        """Lists, shards and folders that the images of a split come from; some may be missing."""
        source = self.source
        if isinstance(source, ClassFolders):
            return [self.base / source.splits[split]]
        if isinstance(source, WebdatasetShards | ParquetShards):
            return sorted(self.base.glob(source.splits[split])) + self._class_list
        if isinstance(source, CifarBatches):
            names = [source.meta, *source.splits[split]]
            return [self.base / name for name in names]
        if isinstance(source, CsvLists):
            return [self.base / source.splits[split]]
        listed = source.file if isinstance(source, CoopSplit) else source.splits[split]
        return [self.base / listed, self.base / (source.images or ".")]

    def listed(self, split: Split) -> dict[str, str]:
        """Lists whose images may lie anywhere, each with the folder that paths are relative to."""
        if not isinstance(self.source, CsvLists):
            return {}
        file, images = self.base / self.source.splits[split], self.source.images
        return {str(file): str(file.parent if images is None else self.base / images)}

    def patterns(self, split: Split) -> list[str]:
        """Patterns of the shards that are there, and of what lies beside them."""
        known = isinstance(self.source, WebdatasetShards | ParquetShards)
        return self.fetched(split) if known else []

    def fetched(self, split: Split) -> list[str]:
        """Patterns of the files that a download brings."""
        names = [self.settings(split)["source"]["splits"][split]]
        if isinstance(self.source, WebdatasetShards):
            names.append(self.source.classes)
        return [str(self.base / name) for name in names]

    @property
    def _class_list(self) -> list[Path]:
        """File with class names that lies beside shards, if it is there."""
        source = self.source
        files = [self.base / source.classes] if isinstance(source, WebdatasetShards) else []
        return [file for file in files if file.is_file()]

    def settings(self, split: Split) -> dict[str, Any]:
        """The place and a split of it as plain values, for `list_split`."""
        source = self.source.model_dump(exclude={"expected", "url"})
        if "splits" in source:  # other splits may come and go
            source["splits"] = {split: source["splits"][split]}
        return {"source": source, "base": str(self.base), "split": split}

    def published(self, split: Split) -> dict[str, Any]:
        """What is downloaded of a split, as plain values, for `download_split`."""
        source = self.source
        return {
            "address": self.address,
            "folder": str(self.base),
            "pattern": self.settings(split)["source"]["splits"][split],
            "names": [source.classes] if isinstance(source, WebdatasetShards) else [],
        }


def locate(
    images: Images, card: Card | None, key: str, classes: ClassManifest | None = None
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


def _located(images: Images, card: Card | None, key: str) -> Place:
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
    sources = card.sources if card else []
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
        hint = "; `download: true` fetches it" if any(map(_url, sources)) else ""
        raise InputError(f"{key}.root: folder not found: {root}{hint}")
    for source in sources:
        for below in source.below:
            base = root / below
            if _is_there(source, base):
                return Place(source, base)
            wanted += [Path(below, mark) for mark in _marks(source)]
    raise InputError(
        f"{key}.root: {root} has none of {listing(wanted, 12)}, by which "
        f"{card.title if card else 'it'} is recognised; see docs/datasets.md"
    )


def _published(root: str, download: str | bool, sources: Sequence[AnySource], key: str) -> Place:
    """Place of the one source that can be downloaded; its files need not be there yet."""
    given = download if isinstance(download, str) else None
    there = [s for s in sources if isinstance(s, Shards) and (given or s.url)]
    if not there:
        raise InputError(
            f"{key}.download: the card says of no such source where it is published; give its "
            "address, and with `source` its name, or put the files into `root`"
        )
    if len(there) > 1:
        names = listing(source.name for source in there)
        raise InputError(f"{key}.source: several can be downloaded; name one of {names}")
    return Place(there[0], Path(root, there[0].below[0]), given or there[0].url)


def _url(source: AnySource) -> str | None:
    return source.url if isinstance(source, Shards) else None


def _own(splits: dict[Split, str], key: str) -> AnySource:
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
    source = SOURCES.validate_python(settings["source"])
    base, split = Path(settings["base"]), settings["split"]
    found = _list(source, base, split, classes, key)
    return Listing(found.images, {**found.meta, "source": source.name})


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


def _list(source: AnySource, base: Path, split: Split, classes: ClassManifest, key: str) -> Listing:
    from susx.datasets import archives, cifar, layouts

    if isinstance(source, ClassFolders):
        return layouts.class_folders(source, base, split, classes, key)
    if isinstance(source, CoopSplit):
        return layouts.coop_split(source, base, split, classes, key)
    if isinstance(source, CsvLists):
        return layouts.csv_lists(source, base, split, classes, key)
    if isinstance(source, WebdatasetShards):
        return archives.webdataset_shards(source, base, split, classes, key)
    if isinstance(source, ParquetShards):
        return archives.parquet_shards(source, base, split, classes, key)
    if isinstance(source, FgvcLists):
        return layouts.fgvc_lists(source, base, split, classes, key)
    return cifar.cifar_batches(source, base, split, classes, key)


def _marks(source: AnySource) -> list[str]:
    """Files, folders or patterns of which any tells that a source is there."""
    if isinstance(source, CoopSplit):
        return [source.file]
    if isinstance(source, CifarBatches):
        return [source.meta]
    return list(source.splits.values())


def _is_there(source: AnySource, base: Path) -> bool:
    if isinstance(source, WebdatasetShards | ParquetShards):
        return any(any(base.glob(mark)) for mark in _marks(source))
    if isinstance(source, ClassFolders):  # tars of a mirror lie in folders called the same
        roots = (base / mark for mark in _marks(source))
        return any(root.is_dir() and visible_folders(root) for root in roots)
    return any((base / mark).exists() for mark in _marks(source))
