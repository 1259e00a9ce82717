"""Exact nearest rows of a stream of blocks: the k best per query, in memory that does not grow.

A float32 matrix product finds the few rows of a block that may be among the k best, given the
error that it can have (`sieve`); those are scored again in float64, row by row, so that the result
is that of a plain sort of all float64 scores, whatever the block size and the number of threads.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from susx.support.sieve import Numbers, Sieve, places

UNIT_TOLERANCE = 2e-3  # what rounding to float16 does to the length of a unit row
CONVERTED_AT_ONCE = 2**17
"""Elements made float32 and measured while a processor's cache holds them."""
QUERIES_AT_ONCE = 1024
"""The product of fewer is slower; of more, scores of fewer rows stay in a processor's cache."""
SCORES_AT_ONCE = 2**21
"""Scores compared while a processor's cache holds them."""
HITS_AT_ONCE = 2**21
"""Hits that wait to be scored again, in about 0.2 GiB; only near ties are so many."""
RESCORED_AT_ONCE = 64
"""Rows scored again while a processor's cache holds them in float64."""
BLOCK_ROWS = 16384
"""Rows per block: with fewer more are scored again; more take memory that is new every time."""


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
    by_limit: dict[int, list[int]] = {}
    for number, (_, k) in enumerate(requests):
        by_limit.setdefault(k, []).append(number)
    searches = {
        k: _Search(np.concatenate([requests[number][0] for number in own], dtype=np.float32), k)
        for k, own in by_limit.items()
    }
    for block in blocks:
        for search in searches.values():
            search.add(block)
    found: dict[int, Nearest] = {}
    for k, own in by_limit.items():
        ends = np.cumsum([len(requests[number][0]) for number in own])[:-1]
        nearest = searches[k].result()
        parts = zip(np.split(nearest.scores, ends), np.split(nearest.rows, ends), strict=True)
        for number, (scores, rows) in zip(own, parts, strict=True):
            found[number] = replace(nearest, scores=scores, rows=rows)
    return [found[number] for number in range(len(requests))]


def nearest_rows(queries: NDArray[Any], blocks: Iterable[NDArray[Any]], k: int) -> Nearest:
    """Find the k rows of highest cosine with every query; ties go to the first rows.

    Args:
        queries: (Q, d) rows of unit length.
        blocks: (B, d) float16 or float32 arrays, in row order. Rows that are not of unit length
            are divided by their length in float64, and rounded to float32.
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
        self._best = np.full((len(queries), k), -np.inf)
        self._rows = np.full((len(queries), k), -1, np.int64)
        self._n_rows = self._n_unusable = 0
        # Fresh memory for every block would take longer to come by than to fill.
        d, n = max(1, queries.shape[1]), min(len(queries), QUERIES_AT_ONCE)
        # The product of many queries needs more rows than the conversion.
        n_unit = max(CONVERTED_AT_ONCE // d, 2 * n, RESCORED_AT_ONCE)
        self._unit, self._scores = _memory(n_unit, queries.shape[1]), _memory(0)

    def add(self, block: NDArray[Any]) -> None:
        """Compare the next block of rows."""
        left_out, self._all_unit = np.zeros(len(block), bool), True
        for start in range(0, max(1, len(self._queries)), QUERIES_AT_ONCE):
            self._compare(start, block, left_out)
        self._n_rows += len(block)

    def result(self) -> Nearest:
        """What was found so far."""
        return Nearest(self._best, self._rows, self._n_rows, self._n_unusable)

    def _compare(self, start: int, block: NDArray[Any], left_out: NDArray[np.bool_]) -> None:
        part = slice(start, start + QUERIES_AT_ONCE)
        texts, best = self._queries[part].T, self._best[part]
        n, piece = len(best), len(self._unit)
        tile = max(1, SCORES_AT_ONCE // max(1, n))
        if len(self._scores) < min(tile, len(block)) * n:
            self._scores = _memory(min(tile, len(block)) * n)
        sieve = Sieve(best, block, left_out)
        for first in range(0, len(block), tile):
            end = min(first + tile, len(block))
            scores = self._scores[: (end - first) * n].view(end - first, n)
            for at in range(first, end, piece):
                until = min(at + piece, end)
                unit = self._unit_rows(block[at:until], left_out[at:until], not start)
                torch.mm(unit, texts, out=scores[at - first : until - first])
            sieve.add(first, scores.numpy())
            if sieve.n_hits > HITS_AT_ONCE:
                self._merge(start, *sieve.hits(), block)
                sieve = Sieve(best, block, left_out)
        self._merge(start, *sieve.hits(), block)

    def _unit_rows(
        self, rows: NDArray[Any], left_out: NDArray[np.bool_], new: bool
    ) -> torch.Tensor:
        """Float32 rows of unit length, until the next call; counts new ones without direction."""
        unit = self._unit[: len(rows)].copy_(torch.from_numpy(rows))
        if self._all_unit and not new:
            return unit
        row = unit.numpy()
        with np.errstate(all="ignore"):
            # A square is twice as far from 1: float64 decides about all that are near the limit.
            at = np.flatnonzero(~(np.abs(np.vecdot(row, row) - 1) <= UNIT_TOLERANCE))
        if len(at):
            self._all_unit = False
            row[at], lost = _directions(row[at].astype(np.float64))
            left_out[at] |= lost
            self._n_unusable += int(lost.sum()) if new else 0
        return unit

    def _merge(self, start: int, texts: Numbers, rows: Numbers, block: NDArray[Any]) -> None:
        """Score hits again, which come query by query, and take them among the best."""
        k, scores, place = self._k, self._rescored(texts + start, rows, block), places(texts)
        if place.max(initial=0) >= 2 * k:
            kept, order = place < k, np.lexsort((-scores, texts))
            texts, place = texts[kept], place[kept]
            rows, scores = rows[order][kept], scores[order][kept]
        touched, at = np.unique(texts, return_inverse=True)
        touched += start
        all_scores = np.full((len(touched), k + place.max(initial=-1) + 1), -np.inf)
        all_rows = np.full(all_scores.shape, -1)
        all_scores[:, :k], all_rows[:, :k] = self._best[touched], self._rows[touched]
        all_scores[at, k + place], all_rows[at, k + place] = scores, rows + self._n_rows
        # Rows come in rising order, so that stable sorts keep ties so.
        order = np.argsort(-all_scores, axis=1, kind="stable")[:, :k]
        self._best[touched] = np.take_along_axis(all_scores, order, 1)
        self._rows[touched] = np.take_along_axis(all_rows, order, 1)

    def _rescored(self, texts: Numbers, rows: Numbers, block: NDArray[Any]) -> NDArray[np.float64]:
        """Float64 scores, row by row, in buffers that stay in a cache."""
        scores, shape = np.empty(len(rows)), (RESCORED_AT_ONCE, block.shape[1])
        image, text = np.empty(shape), np.empty(shape)
        for at in range(0, len(rows), RESCORED_AT_ONCE):
            part = slice(at, at + RESCORED_AT_ONCE)
            few, n = texts[part], len(texts[part])
            image[:n] = self._unit_rows(block[rows[part]], np.zeros(n, bool), False).numpy()
            exact = self._exact[few[0]]
            if few[0] != few[-1]:
                exact = np.take(self._exact, few, axis=0, out=text[:n], mode="clip")
            np.vecdot(image[:n], exact, out=scores[part])
        return scores


def _directions(rows: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Rows divided by their length unless it is about 1, and which have none: those are zero."""
    with np.errstate(all="ignore"):
        lengths = np.sqrt(np.vecdot(rows, rows))
        lost = ~(np.isfinite(lengths) & (lengths > 0))
        lengths[np.abs(lengths - 1) <= UNIT_TOLERANCE] = 1
        rows /= lengths[:, None]
    rows[lost] = 0
    return rows, lost


def _memory(*shape: int) -> torch.Tensor:
    """NumPy's, which asks the system for large pages, so that first use takes less time."""
    return torch.from_numpy(np.empty(shape, np.float32))
