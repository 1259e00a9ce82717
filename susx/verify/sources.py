"""Sources of a result, against what lies at their places now."""

from __future__ import annotations

import glob
import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from susx.artifacts.memory import NOT_THERE, Memory
from susx.artifacts.recipe import HUB, LISTED, PACKAGES, Receipt, Source
from susx.artifacts.store import Store
from susx.core.errors import InputError
from susx.core.hub import snapshot_commit
from susx.core.registry import packages_called
from susx.datasets.sources import Place
from susx.images.kinds import is_image
from susx.manifests.tables import ImageRecord, read_table

IMAGES_OF = "images of "
"""What begins the names of images that a list names, in `susx.artifacts.ground`."""
HASH_SHOWN = 7
"""Digits of a commit that are shown, as git does."""
NOTHING = hashlib.sha256(b"").hexdigest()


class Sources:
    """Compares what nothing of the pipeline made with what lies there now, each once."""

    def __init__(self, memory: Memory, stores: Sequence[Store]) -> None:
        """Begin.

        Args:
            memory: remembered hashes.
            stores: where image manifests may lie, which tell files of a folder by name.
        """
        self._memory, self._stores = memory, stores
        self._changes: dict[tuple[str, str, str], str] = {}

    def named(self, name: str, source: Source) -> tuple[str, str]:
        """Kind and name of a source, the same wherever it is read."""
        return (name if name in (HUB, LISTED, PACKAGES) else "", source.path)

    def change(self, name: str, source: Source, receipt: Receipt) -> str:
        """What changed, in words; empty if it is as it was.

        Args:
            name: of the input that it is.
            source: the source.
            receipt: of what was made from it.
        """
        kind, path = self.named(name, source)
        place = (kind, path, source.identity)
        if place not in self._changes:
            known = {HUB: _of_hub, LISTED: self._of_list, PACKAGES: _of_packages}
            self._changes[place] = known.get(kind, self._of_path)(source, receipt)
        return self._changes[place]

    def _of_path(self, source: Source, receipt: Receipt) -> str:
        identity = self._memory.identity(source.path)
        if identity == source.identity:
            return ""
        if identity == NOT_THERE:
            return f"{source.path} is missing, and cannot be compared"
        if identity and identity.startswith("unreadable"):
            return f"{source.path} is {identity}"
        rows = self._rows(receipt) if Path(source.path).is_dir() else None
        if rows is None:
            return f"{source.path} changed"
        folder = os.path.normpath(source.path)
        below = {
            os.path.relpath(path, folder): digest
            for path, digest in rows.items()
            if os.path.normpath(path).startswith(f"{folder}{os.sep}")
        }
        now = self._memory.contents_below(source.path)
        nested = receipt.recipe.stage == "image_manifest"
        whole = not nested or _layout(receipt) in ("class-folders", "ilsvrc")
        files = {
            key: digest
            for key, digest in now.items()
            if key in below or (whole and _is_listed(key, nested))
        }
        changed = _in_words(below, files)
        return f"{source.path}: {changed}" if changed else f"{source.path}: other files changed"

    def _of_list(self, source: Source, receipt: Receipt) -> str:
        name, paths = source.path, self._listed(source.path, receipt)
        if not paths:
            return f"{name}: nothing is there, and cannot be compared"
        if self._memory.listing(name, paths) == source.identity:
            return ""
        rows = self._rows(receipt) if name.startswith(IMAGES_OF) else None
        changed = _in_words(rows, self._memory.contents_of(name, paths)) if rows else ""
        return f"{name}: {changed}" if changed else f"{name} changed"

    def _listed(self, name: str, receipt: Receipt) -> list[str]:
        """Files that stand behind a name of many."""
        if not name.startswith(IMAGES_OF):
            return sorted(glob.glob(name))  # noqa: PTH207
        file = name.removeprefix(IMAGES_OF)
        try:
            place = receipt.recipe.settings["place"]
            return Place.of(place).listed(place["split"])[file]
        except (KeyError, TypeError, ValueError):
            return []

    def _rows(self, receipt: Receipt) -> dict[str, str] | None:
        """Paths and hashes of an image manifest that is still in a store."""
        if not _tells_files(receipt):
            return None
        for store in self._stores:
            for output in receipt.outputs.values():
                path = store.folder(receipt.recipe.stage, receipt.recipe.key) / output.file
                try:
                    records = read_table(path, ImageRecord).records
                except InputError:
                    continue
                return {record.path: record.sha256 for record in records if "#" not in record.path}
        return None


def _of_hub(source: Source, receipt: Receipt) -> str:
    model, _, revision = source.path.rpartition("@")
    commit = snapshot_commit(model, revision)
    if commit is None:
        return f"{source.path} is not in the local cache of the hub, and cannot be compared"
    if commit == source.identity:
        return ""
    return f"{source.path} is {commit[:HASH_SHOWN]}, was {source.identity[:HASH_SHOWN]}"


def _of_packages(source: Source, receipt: Receipt) -> str:
    name, _, version = source.path.rpartition(" ")
    packages = packages_called(name)
    if any(package.identity == source.identity for package in packages):
        return ""
    if not packages:
        return f"{source.path} is not installed, and cannot be compared"
    now = packages[0].version
    return f"{source.path} changed" if now == version else f"{name} is {now}, was {version}"


def _tells_files(receipt: Receipt) -> bool:
    return receipt.recipe.stage in ("image_manifest", "list_unlabelled")


def _layout(receipt: Receipt) -> Any:
    try:
        return receipt.recipe.settings["place"]["source"]["layout"]
    except (KeyError, TypeError):
        return None


def _is_listed(key: str, nested: bool) -> bool:
    """Whether the manifest of a folder would list a file; of class folders, what lies in them."""
    name = key.rpartition("/")[2]
    return is_image(name) and ("/" in key or not nested)


def _in_words(then: Mapping[str, str], now: Mapping[str, str]) -> str:
    """Files that were added, changed and removed: how many, and the first of each."""
    same = {key for key in then.keys() & now.keys() if _as_listed(now[key]) == then[key]}
    gone = sorted(key for key in then if now.get(key, NOT_THERE) == NOT_THERE)
    kinds = {
        "added": sorted(now.keys() - then.keys()),
        "changed": sorted((then.keys() & now.keys()) - same - set(gone)),
        "removed": gone,
    }
    parts: list[str] = []
    for verb, names in kinds.items():
        if names:
            things = "" if parts else " file" if len(names) == 1 else " files"
            first = names[0] if len(names) == 1 else f"first: {names[0]}"
            parts.append(f"{len(names):,}{things} {verb} ({first})")
    return ", ".join(parts)


def _as_listed(digest: str) -> str:
    """What a manifest says of a file that cannot be read."""
    return NOTHING if digest.startswith("unreadable") else digest
