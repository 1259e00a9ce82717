"""Finished parts of a cache in the making: a job that was cut goes on behind them."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from susx.core.errors import InputError
from susx.embeddings.cache import Embeddings, join_caches, read_cache, read_meta, write_cache


class Parts:
    """The parts of one cache, numbered in order, in a folder of their own.

    A part carries a stamp of all that it was made from, so that parts of other images or of
    another encoder are made again.
    """

    def __init__(self, path: str | Path, folder: Path | None = None) -> None:
        """Look for parts.

        Args:
            path: the cache.
            folder: where its parts are, or will be, and stay; beside the cache if left out.
        """
        self._path, self._stay = Path(path), folder is not None
        self._folder = folder or self._path.with_name(f"{self._path.name}.parts")

    def has(self, index: int, stamp: str) -> bool:
        """Whether a part is there, undamaged, and made from what `stamp` says."""
        try:
            return read_cache(self._file(index)).meta.get("stamp") == stamp
        except InputError:
            return False

    def write(self, index: int, stamp: str, embeddings: Embeddings) -> None:
        """Keep a part.

        Raises:
            InputError: if a row is not finite.
        """
        meta = {**embeddings.meta, "stamp": stamp}
        write_cache(self._file(index), replace(embeddings, meta=meta))

    def metas(self, count: int) -> list[dict[str, Any]]:
        """What the first `count` parts say of themselves."""
        return [read_meta(self._file(index))[0] for index in range(count)]

    def join(self, count: int, meta: dict[str, Any]) -> None:
        """Join the first `count` parts into the cache, and remove all of them unless they stay.

        A store keeps them until it has the cache, as another process may make the same of them.

        Raises:
            InputError: if one has been damaged meanwhile.
        """
        join_caches(self._path, [self._file(index) for index in range(count)], meta)
        if not self._stay:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _file(self, index: int) -> Path:
        return self._folder / f"{index:06d}.h5"
