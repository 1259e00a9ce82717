"""Indices of faiss: opened, checked, and asked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from susx.core.errors import InputError
from susx.pools.indices import IndexShard

QUERIES_AT_ONCE = 1024
"""So that answers are sorted in pieces: 1,024 queries with 10,000 hits each are 120 MB."""
REASON = re.compile(r"failed:? *:?(.*)", re.DOTALL)
"""What stands behind names of functions and files in faiss's messages."""


class FaissIndex:
    """An index of inner products, read from a file that may be larger than the memory.

    Attributes:
        n_rows: rows that it holds.
    """

    def __init__(self, shard: IndexShard, dimension: int, threads: int) -> None:
        """Open and check an index.

        Args:
            shard: names the file and the settings of the search.
            dimension: of the queries.
            threads: that a search uses.

        Raises:
            InputError: if the file is broken, untrained, empty, in parts, of another dimension or
                metric, or does not know a setting.
        """
        import faiss

        faiss.omp_set_num_threads(threads)
        self._path = shard.path
        self._index = _read(shard.path)
        _check(self._index, shard, dimension)
        if shard.probes:
            with _told(f"{shard.origin}.index_probes: {shard.probes}: does not suit {shard.path}"):
                faiss.ParameterSpace().set_index_parameters(self._index, shard.probes)
        self.n_rows = int(self._index.ntotal)

    def nearest(
        self, queries: NDArray[np.float32], k: int, params: Any = None
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Ask for the best rows of every query.

        Returns:
            Inner products (Q, k), falling, ties by row; and row numbers (Q, k), -1 where fewer
            were found.

        Raises:
            InputError: if the search fails, or the index numbers rows that are not there.
        """
        scores = np.empty((len(queries), k), np.float32)
        rows = np.empty((len(queries), k), np.int64)
        for start in range(0, len(queries), QUERIES_AT_ONCE):
            part = slice(start, start + QUERIES_AT_ONCE)
            with _told(f"{self._path}: cannot be searched"):
                scores[part], rows[part] = self._index.search(queries[part], k, params=params)
        if rows.size and rows.max() >= self.n_rows:
            raise InputError(
                f"{self._path}: has ids that are no row numbers ({rows.max()} of {self.n_rows} "
                "rows); build it without ids"
            )
        rows[~np.isfinite(scores)] = -1
        scores[rows < 0] = -np.inf
        order = np.lexsort((rows, -scores))
        return np.take_along_axis(scores, order, 1), np.take_along_axis(rows, order, 1)

    def nearest_among(
        self, queries: NDArray[np.float32], k: int, start: int, end: int
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]] | None:
        """Ask for the best rows from `start` to `end`; None if the kind of index cannot tell."""
        import faiss

        lists = faiss.try_extract_index_ivf(self._index)
        outer = faiss.downcast_index(self._index)
        if lists is None or not isinstance(outer, faiss.IndexIVF | faiss.IndexPreTransform):
            return None
        chosen = faiss.IDSelectorRange(start, end)
        params = faiss.SearchParametersIVF(sel=chosen, nprobe=lists.nprobe)
        if isinstance(outer, faiss.IndexPreTransform):
            params = faiss.SearchParametersPreTransform(index_params=params)
        return self.nearest(queries, k, params)


def _read(path: str) -> Any:
    """Map an index; nothing that it declares may be larger than the file."""
    import faiss

    try:
        size = Path(path).stat().st_size
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    # Without IO_FLAG_MMAP_IFC, by which faiss 1.15.1 crashes at files that were cut.
    flags = faiss.IO_FLAG_MMAP | faiss.IO_FLAG_READ_ONLY | faiss.IO_FLAG_ONDISK_SAME_DIR
    limit = faiss.get_deserialization_vector_byte_limit()
    faiss.set_deserialization_vector_byte_limit(size)
    try:
        with _told(f"{path}: not a readable index of faiss", "; fetch or build it again"):
            index = faiss.read_index(path, flags)
    finally:
        faiss.set_deserialization_vector_byte_limit(limit)
    lists = faiss.try_extract_index_ivf(index)
    kept = lists and faiss.downcast_InvertedLists(lists.invlists)
    if isinstance(kept, faiss.OnDiskInvertedLists) and kept.filename:  # mapped lists have no name
        raise InputError(
            f"{path}: keeps its lists in another file ({Path(kept.filename).name}); write index "
            "and lists into one file"
        )
    return index


def _check(index: Any, shard: IndexShard, dimension: int) -> None:
    import faiss

    path = shard.path
    if index.metric_type != faiss.METRIC_INNER_PRODUCT:
        raise InputError(
            f"{path}: compares by another metric (faiss's number {index.metric_type}); build it "
            "for inner products"
        )
    if index.d != dimension:
        raise InputError(
            f"{path}: dimension {index.d}, but the texts have {dimension}; name the encoder that "
            "made the embeddings as `encoder` of the pool"
        )
    if not index.is_trained:
        raise InputError(f"{path}: is not trained; build it again")
    if not index.ntotal:
        raise InputError(f"{path}: has no rows; build it again")


@contextmanager
def _told(what: str, remedy: str = "") -> Iterator[None]:
    """Errors of faiss in one line."""
    try:
        yield
    except (RuntimeError, MemoryError, ValueError) as error:
        found = REASON.search(str(error))
        reason = " ".join((found[1] if found else str(error)).split())
        raise InputError(f"{what} ({reason[:200]}){remedy}") from None
