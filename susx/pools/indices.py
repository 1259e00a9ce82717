"""Pools of published embeddings that an index of faiss is searched in: which files belong to it.

Parsing the workflow asks for this on every call; nothing is opened.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from slugify import slugify

from susx.config.pools import AnyPool, EmbeddingPool
from susx.core.errors import InputError
from susx.pools.web import (
    NAMINGS,
    NothingMatches,
    WebShard,
    expanded,
    file_patterns,
    first_matching,
    is_remote,
    number,
    paired,
)

SAMPLED = 4
"""Files of embeddings that recall is measured on: of LAION's size, six GB and some minutes."""


@dataclass(frozen=True)
class IndexShard(WebShard):
    """An index, and the tables whose rows it numbers, one table after another.

    Attributes:
        tables: Parquet files of metadata, in the order of the index.
        arrays: .npy file of a table's embeddings, of those tables that recall is measured on.
        probes: settings of the search; nothing leaves them as the file has them.
        origin: key of the pool in the configuration, for messages.
    """

    tables: Sequence[str] = ()
    arrays: Mapping[str, str] = field(default_factory=dict)
    probes: str = ""
    origin: str = ""

    @property
    def local_files(self) -> list[str]:
        """The files beside the index that are on this machine."""
        files = (*self.tables, *self.arrays.values())
        return [path for path in files if not is_remote(path)]


def has_index(pool: AnyPool) -> bool:
    """Whether a pool is searched by an index of its embeddings; that of a service is its own."""
    return isinstance(pool, EmbeddingPool) and pool.index is not None


def index_shards(pool: EmbeddingPool, origin: str, remembered: str | Path) -> dict[str, IndexShard]:
    """Enumerate the indices of a pool by name.

    One index numbers the rows of all tables. Of several, each numbers those of the tables in its
    folder, or where they lie in one folder, of the table of its name or number.

    Args:
        pool: section of the configuration, with an `index`.
        origin: its key, for error messages.
        remembered: JSON file that keeps what a remote file system listed.

    Raises:
        InputError: if a pattern matches nothing, files do not belong together, or an index is not
            a file of this machine.
    """
    known, patterns = Path(remembered), file_patterns(pool, origin)
    indices = _indices(pool, origin, known)
    tables = first_matching(patterns["metadata"], pool.storage, f"{origin}.metadata", known)
    try:
        arrays = first_matching(patterns["path"], pool.storage, f"{origin}.path", known)
    except NothingMatches:
        arrays = []
    arrays_of = _arrays_of(tables, [path for path in arrays if path.endswith(".npy")], origin)
    probes = f"nprobe={n}" if isinstance(n := pool.index_probes, int) else n or ""
    return {
        name: IndexShard(
            path,
            images=pool.images or "",
            tables=mine,
            arrays=_sample({table: arrays_of[table] for table in mine if table in arrays_of}),
            probes=probes,
            origin=origin,
            **pool.of_shards,
        )
        for name, (path, mine) in _named(_owned(indices, tables, origin), origin).items()
    }


def _indices(pool: EmbeddingPool, origin: str, remembered: Path) -> list[str]:
    found = expanded(str(pool.index), pool.storage, f"{origin}.index", remembered)
    for path in found:
        if is_remote(path):
            raise InputError(f"{origin}.index: {path}: is not on this machine; copy it here")
        if Path(path).is_dir():
            raise InputError(f"{origin}.index: {path}: is a folder; name the files in it")
    return found


def _folder(path: str) -> str:
    return path.rpartition("/")[0]


def _owned(
    indices: Sequence[str], tables: Sequence[str], origin: str
) -> list[tuple[str, list[str]]]:
    """The tables of every index."""
    if len(indices) == 1:
        return [(indices[0], list(tables))]
    folders = [_folder(path) for path in indices]
    if len(set(folders)) == 1:
        partners = paired(list(indices), list(tables), f"{origin}.index")
        return [(path, [table]) for path, table in zip(indices, partners, strict=True)]
    owned: dict[str, list[str]] = {folder: [] for folder in folders}
    for table in tables:
        above = [folder for folder in owned if table.startswith(f"{folder}/")]
        if len(above) != 1 or len(owned) < len(indices):
            raise InputError(
                f"{origin}.index: {table}: {len(above)} of {len(indices)} indices lie in a folder "
                "above it; give every index a folder of its own, with its metadata in it"
            )
        owned[above[0]].append(table)
    for path, folder in zip(indices, folders, strict=True):
        if not owned[folder]:
            raise InputError(f"{origin}.index: {path}: no metadata in its folder; put them there")
    return [(path, owned[folder]) for path, folder in zip(indices, folders, strict=True)]


def _named(owned: Sequence[tuple[str, list[str]]], origin: str) -> dict[str, tuple[str, list[str]]]:
    """Indices by what their paths have behind the folder that all of them share."""
    parts = [Path(path).with_suffix("").parts for path, _ in owned]
    shared = next((i for i, names in enumerate(zip(*parts, strict=False)) if len({*names}) > 1), -1)
    named = {
        slugify(" ".join(names[shared:])) or "index": one
        for names, one in zip(parts, owned, strict=True)
    }
    if len(named) < len(owned):
        raise InputError(f"{origin}.index: two files have the same name; give them different ones")
    return named


def _arrays_of(tables: Sequence[str], arrays: Sequence[str], origin: str) -> dict[str, str]:
    """Embeddings of a table, of all tables whose embeddings are there.

    Raises:
        InputError: if embeddings belong to no table, or to several.
    """
    within = (partial(_within, name=name) for name in NAMINGS)
    namings: tuple[Callable[[str], Any], ...] = (*NAMINGS, *within)
    for key in namings:
        table_of, keys = {key(path): path for path in tables}, [key(path) for path in arrays]
        if len(table_of) == len(tables) and len({*keys}) == len(keys) and {*keys} <= {*table_of}:
            return {table_of[k]: path for k, path in zip(keys, arrays, strict=True)}
    numbers = {number(path) for path in tables}
    lost = next((path for path in arrays if number(path) not in numbers), arrays[0])
    raise InputError(
        f"{origin}.path: {lost}: has no metadata of its name or number, or shares them; move it "
        "away, or name the files as `path` and `metadata`"
    )


def _within(path: str, name: Callable[[str], str]) -> tuple[str, str]:
    """Name of a file in a part that repeats the names of other parts."""
    return _folder(_folder(path)), name(path)


def _sample(arrays: Mapping[str, str]) -> dict[str, str]:
    """A few files that a digest chooses: at random, and the same ones every time."""

    def digest(table: str) -> str:
        return hashlib.sha256(Path(table).name.encode()).hexdigest()

    return {table: arrays[table] for table in sorted(arrays, key=digest)[:SAMPLED]}
