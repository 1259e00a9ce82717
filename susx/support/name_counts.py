"""How many captions of a pool have each name of a class, as the search of captions counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from susx.core.errors import InputError
from susx.core.files import read_checked, write_checked
from susx.manifests.classes import ClassManifest
from susx.manifests.tables import Table

FORMAT = "susx-name-counts-1"
REBUILD = "delete it, rule match_captions rebuilds it"


def write_name_counts(path: str | Path, table: Table) -> None:
    """Write the counts of a table of `match_captions`, which others need without its candidates."""
    write_checked(
        path,
        {
            "format": FORMAT,
            "classes_sha256": table.classes_sha256,
            "names": table.meta["names"],
        },
    )


def read_name_counts(
    paths: Iterable[str | Path], classes: ClassManifest
) -> dict[str, dict[str, int]]:
    """Add up the counts of all shards of a pool.

    Returns:
        For every class {name: number of captions}, of the names that are looked for.

    Raises:
        InputError: if a file is broken or belongs to another class list.
    """
    sums: dict[str, Counter[str]] = {name: Counter() for name in classes.names}
    for path in paths:
        for name, counts in _read(path, classes).items():
            sums[name].update(counts)
    return {name: dict(counts) for name, counts in sums.items()}


def _read(path: str | Path, classes: ClassManifest) -> Mapping[str, Mapping[str, int]]:
    data: dict[str, Any] = read_checked(path, REBUILD)
    if data.get("format") != FORMAT:
        raise InputError(f"{path}: holds no counts of names; {REBUILD}")
    if data.get("classes_sha256") != classes.sha256:
        raise InputError(f"{path}: belongs to another class list; {REBUILD}")
    names: Mapping[str, Mapping[str, int]] = data["names"]
    return names
