"""A project seen from outside: its folders, its stores, and which objects it stands on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from susx.artifacts.recipe import Receipt
from susx.artifacts.store import Store, object_of, receipt_of
from susx.config import parse_config
from susx.config.schema import Config, Roots
from susx.core.errors import InputError
from susx.core.yaml_files import CONFIG, load_config, merged

Named = set[tuple[str, str]]
"""Objects by stage and key."""


@dataclass(frozen=True)
class Project:
    """Folders of a project.

    Attributes:
        folder: that Snakemake is called in.
        roots: as in config.yaml, relative to that folder.
    """

    folder: Path
    roots: Roots

    @classmethod
    def at(
        cls,
        folder: str | Path = ".",
        work: str | None = None,
        cache: str | None = None,
        store: str | None = None,
    ) -> Project:
        """Project in a folder.

        Args:
            folder: that Snakemake is called in.
            work: in place of `roots.work` of its config.yaml; as are the following.
            cache: of `roots.cache`.
            store: of `roots.store`.

        Raises:
            InputError: if its config.yaml is broken; or missing, and no root is given.
        """
        given = {k: v for k, v in {"work": work, "cache": cache, "store": store}.items() if v}
        if (Path(folder) / CONFIG).exists():
            roots = read_config(folder).roots
        elif given:
            roots = Roots()
        else:
            raise InputError(
                f"{Path(folder, CONFIG)}: not found; call this in the folder of a project, or say "
                "where its files are with --work and --cache"
            )
        return cls(Path(folder), roots.model_copy(update=given))

    @property
    def work(self) -> Path:
        """Folder of manifests, memory and receipts."""
        return self.folder / self.roots.work

    @property
    def cache(self) -> Path:
        """Folder of embedding caches."""
        return self.folder / self.roots.cache

    @property
    def stores(self) -> list[Store]:
        """Its own store, and that of its caches, which others may share."""
        shared = self.folder / self.roots.store if self.roots.store else self.cache / "store"
        return [Store(self.work / "store"), Store(shared)]

    def links(self) -> Iterator[Path]:
        """Readable names of objects, whether these are there or not."""
        left_out = {os.path.realpath(store.root) for store in self.stores}
        for root in dict.fromkeys((self.work, self.cache)):
            yield from links_below(root, left_out)

    def reached(self) -> Named:
        """Objects that readable names or results stand for, and all that led to these."""
        found: Named = set()
        for link in self.links():
            place = object_of(link)
            if place is None:
                continue
            found.add((place.parent.parent.name, place.parent.name))
            if receipt := receipt_of(link):
                found |= _named(receipt)
        for path in sorted((self.work / "receipts").rglob("*.json")):
            try:
                found |= _named(Receipt.read(path))
            except InputError:
                continue
        return found


def links_below(root: Path, left_out: set[str]) -> Iterator[Path]:
    """Links to objects below a folder, in order; links to folders are not followed.

    Args:
        root: the folder, or one such link itself.
        left_out: resolved folders that are not looked into.
    """
    if root.is_symlink() and object_of(root):
        yield root
    elif root.is_dir() and os.path.realpath(root) not in left_out:
        for place, folders, files in os.walk(root):
            folders.sort()
            names = sorted({*files, *(name for name in folders if Path(place, name).is_symlink())})
            folders[:] = [f for f in folders if os.path.realpath(Path(place, f)) not in left_out]
            yield from (path for name in names if object_of(path := Path(place, name)))


def read_config(folder: str | Path, *more: str) -> Config:
    """Configuration of a project, with the files that `--configfile` merges over it.

    Raises:
        InputError: if a file is missing or broken.
    """
    own = Path(folder) / CONFIG
    paths = [*([own] if own.exists() else []), *(Path(folder, name) for name in more)]
    whole: dict[str, Any] = {}
    for path in paths:
        whole = merged(whole, load_config(path))
    return parse_config(whole, " and ".join(map(str, paths)))


def _named(receipt: Receipt) -> Named:
    return {(one.recipe.stage, key) for key, one in receipt.with_ancestors.items()}
