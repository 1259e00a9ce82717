"""Exact nearest rows of a stream of blocks: the k best per query, in memory that does not grow.

A float32 matrix product finds the few rows of a block that may be among the k best, given the
error that it can have; those are scored again in float64, row by row, so that the result is that
of a plain sort of all float64 scores, whatever the block size and the number of threads.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

UNIT_TOLERANCE = 2e-3  # what rounding to float16 does to the length of a unit row
CONVERTED_AT_ONCE = 2**21
"""Elements made float32 and measured while a processor's cache holds them."""
QUERIES_AT_ONCE = 1024
RESCORED_AT_ONCE = 128
MERGED_AT_ONCE = 2**20
FEW_QUERIES = 512
"""Up to so many queries smaller blocks are faster: their rows stay in the processor's cache."""


@dataclass(frozen=True)
class Nearest:
    """The k best rows per query.

    Attributes:
        scores: (Q, k) float64 cosines, falling; -inf where there are fewer than k rows.
        rows: (Q, k) row numbers; -1 where there are fewer than k rows.
        n_rows: rows that were compared.
        n_unusable: rows left out because they are zero or not finite.
    """

    scores: NDArray[np.float64]
    rows: NDArray[np.int64]
    n_rows: int
    n_unusable: int

    def hits(self, labels: NDArray[Any]) -> Iterator[tuple[int, int, float, int]]:
        """Label of the query (Q,), its index, score and row of every hit, query by query."""
        for query, label in enumerate(labels.tolist()):
            found = zip(self.scores[query].tolist(), self.rows[query].tolist(), strict=True)
            yield from ((label, query, score, row) for score, row in found if row >= 0)


def nearest_of(
    requests: Sequence[tuple[NDArray[Any], int]], blocks: Iterable[NDArray[Any]]
) -> list[Nearest]:
    """The nearest rows for several arrays of queries (Q, d), each with its k, in one pass."""
    queries, limits = zip(*requests, strict=True)
    found = nearest_rows(np.concatenate(queries), blocks, max(limits))
    ends = np.cumsum([len(part) for part in queries])[:-1]
    parts = zip(np.split(found.scores, ends), np.split(found.rows, ends), limits, strict=True)
    return [replace(found, scores=scores[:, :k], rows=rows[:, :k]) for scores, rows, k in parts]


def nearest_rows(queries: NDArray[Any], blocks: Iterable[NDArray[Any]], k: int) -> Nearest:
    """Find the k rows of highest cosine with every query; ties go to the first rows.

    Args:
        queries: (Q, d) rows of unit length.
        blocks: (B, d) float16 or float32 arrays, in row order. Rows that are not of unit length
            are divided by their length.
        k: rows per query.
    """
    search = _Search(np.ascontiguousarray(queries, np.float32), k)
    for block in blocks:
        search.add(block)
    return search.result()


class _Search:
    def __init__(self, queries: NDArray[np.float32], k: int) -> None:
        self._queries = torch.from_numpy(queries)
        self._exact = queries.astype(np.float64)
        self._k = k
        # Bound of the rounding error of a float32 product of unit rows, in any order of summation.
        self._margin = 1.01 * (queries.shape[1] + 2) * 2.0**-24
        self._best = np.full((len(queries), k), -np.inf)
        self._rows = np.full((len(queries), k), -1, np.int64)
        self._pending: list[tuple[NDArray[Any], ...]] = []
        self._n_pending = self._n_rows = self._n_unusable = 0
        # Fresh memory for every block would take longer to come by than to fill.
        self._buffer, self._images = torch.empty(0), torch.empty(0)
        shape = RESCORED_AT_ONCE, queries.shape[1]
        self._rescored = np.empty(shape, np.float32), np.empty(shape)

    def add(self, block: NDArray[Any]) -> None:
        """Compare the next block of rows."""
        images, unusable = self._unit_rows(torch.from_numpy(block))
        for start in range(0, len(self._queries), QUERIES_AT_ONCE):
            self._compare(start, images, unusable)
        if self._n_pending > self._best.size or np.isneginf(self._best[:, -1]).any():
            self._merge()
        self._n_rows += len(images)
        self._n_unusable += int(unusable.sum())

    def result(self) -> Nearest:
        """What was found so far."""
        self._merge()
        return Nearest(self._best, self._rows, self._n_rows, self._n_unusable)

    def _unit_rows(self, block: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Float32 rows of unit length, until the next block, and which have no direction."""
        n, d = block.shape
        if self._images.numel() < n * d:
            self._images = torch.empty(n * d)
        images = self._images[: n * d].view(n, d)
        unusable = torch.zeros(n, dtype=torch.bool)
        step = max(1, CONVERTED_AT_ONCE // max(1, d))
        for start in range(0, n, step):
            part = images[start : start + step].copy_(block[start : start + step])
            lengths = torch.linalg.vector_norm(part, dim=1)
            off = ~((lengths - 1).abs() <= UNIT_TOLERANCE)
            if off.any():
                lost = ~(torch.isfinite(lengths) & (lengths > 0))
                part[off] /= lengths[off, None]
                part[lost] = 0
                unusable[start : start + step] = lost
        return images, unusable

    def _compare(self, start: int, images: torch.Tensor, unusable: torch.Tensor) -> None:
        texts = self._queries[start : start + QUERIES_AT_ONCE]
        if not len(images) or not len(texts):
            return
        if self._buffer.numel() < len(texts) * len(images):
            self._buffer = torch.empty(len(texts) * len(images))
        scores = self._buffer[: len(texts) * len(images)].view(len(texts), len(images))
        torch.mm(texts, images.T, out=scores)
        if unusable.any():
            scores[:, unusable] = -torch.inf
        # Every row whose exact score is at least `kth` has a float32 score above `kth - margin`.
        floor = torch.from_numpy(self._best[start : start + len(texts), -1] - self._margin)
        hit = (scores > _below(floor)).numpy()
        if np.count_nonzero(hit) > 2 * self._k * len(texts) and self._k <= len(images):
            found = scores.topk(self._k, sorted=False).values.amin(1)
            floor = torch.maximum(floor, found.double() - 2 * self._margin)
            hit = (scores > _below(floor)).numpy()
        self._rescore(start, *np.divmod(np.flatnonzero(hit), len(images)), images)

    def _rescore(
        self,
        start: int,
        texts: NDArray[np.int64],
        rows: NDArray[np.int64],
        images: torch.Tensor,
    ) -> None:
        """Score hits again, which come query by query, in buffers that stay in a cache."""
        texts += start
        scores, all_rows = np.empty(len(rows)), images.numpy()
        found, row = self._rescored
        ends = np.append(np.flatnonzero(np.diff(texts)) + 1, len(texts)).tolist()
        for first, end in zip([0, *ends[:-1]], ends, strict=True):
            for at in range(first, end, RESCORED_AT_ONCE):
                part = slice(at, min(at + RESCORED_AT_ONCE, end))
                n = part.stop - at
                row[:n] = np.take(all_rows, rows[part], axis=0, out=found[:n], mode="clip")
                np.vecdot(row[:n], self._exact[texts[at]], out=scores[part])
        self._pending.append((texts, rows + self._n_rows, scores))
        self._n_pending += len(rows)
        if self._n_pending > MERGED_AT_ONCE + self._best.size:
            self._merge()

    def _merge(self) -> None:
        if not self._pending:
            return
        texts, rows, scores = (np.concatenate(part) for part in zip(*self._pending, strict=True))
        self._pending, self._n_pending = [], 0
        touched = np.unique(texts)
        held, place = np.nonzero(self._rows[touched] >= 0)
        owners = np.concatenate([touched[held], texts])
        rows = np.concatenate([self._rows[touched[held], place], rows])
        scores = np.concatenate([self._best[touched[held], place], scores])
        # Rows come in rising order, so that stable sorts keep ties so; whole numbers sort by radix.
        order = np.argsort(-scores, kind="stable")
        small = owners.astype(np.min_scalar_type(len(self._best)))
        order = order[np.argsort(small[order], kind="stable")]
        owners, rows, scores = owners[order], rows[order], scores[order]
        rank = np.arange(len(owners)) - np.searchsorted(owners, owners)
        kept = rank < self._k
        self._best[owners[kept], rank[kept]] = scores[kept]
        self._rows[owners[kept], rank[kept]] = rows[kept]


def rows_at_once(n_queries: int) -> int:
    """Rows per block that keep the search fast and its memory at about 0.3 GiB."""
    return 8192 if n_queries <= FEW_QUERIES else 16384


def _below(floor: torch.Tensor) -> torch.Tensor:
    """(Q, 1) float32 numbers less than the (Q,) float64 ones."""
    return floor.float().nextafter(torch.tensor(-torch.inf))[:, None]
