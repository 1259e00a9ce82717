"""Which rows of a block may be among the k best of some queries, by scores of float32."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]

HITS_PER_BEST = 2
"""Hits per row of the k best above which a k-th score of all rows costs less than the hits do."""
NEW_PER_BEST = 0.5
"""New hits per row of the k best after which a sharper limit saves more than finding it costs."""
PAIRS_PER_LOOK = 4
"""Pairs that are scored again in the time in which a row is compared with all before it."""


class Sieve:
    """Rows of a block that may be among the k best of some queries, by their float32 scores.

    Args:
        best: (Q, k) float64 scores of earlier rows; -inf where there are fewer.
        block: (B, d) rows.
        left_out: (B,) rows that cannot be among the best; equal rows are marked here, too.
    """

    def __init__(
        self, best: NDArray[np.float64], block: NDArray[Any], left_out: NDArray[np.bool_]
    ) -> None:
        self._held, self._k = best.astype(np.float32), best.shape[1]
        self._block, self._left_out, self._saw_copies = block, left_out, False
        # Bound of the rounding error of a float32 product of unit rows, in any order of summation,
        # and of what is held.
        self._margin = 1.01 * (block.shape[1] + 2) * 2.0**-24
        self._floor = self._below(self._held)
        none, no_scores = np.zeros(0, np.int64), np.zeros(0, np.float32)
        self._hits: list[tuple[Numbers, Numbers, NDArray[np.float32]]] = [(none, none, no_scores)]
        self.n_hits = self._n_sifted = 0

    def add(self, first: int, scores: NDArray[np.float32]) -> None:
        """Take the (n, Q) scores of the rows from `first` on, and change those left out."""
        left_out = self._left_out[first : first + len(scores)]
        scores[left_out] = -np.inf
        hit = scores > self._floor
        if np.count_nonzero(hit) > HITS_PER_BEST * self._held.size:
            if len(scores) >= self._k:
                self._floor = np.maximum(self._floor, self._below(scores.T))
                hit = scores > self._floor
            if self._are_many(hit):
                self._leave_out_copies()
                hit[left_out] = False
        at = np.flatnonzero(hit)
        rows, texts = np.divmod(at, scores.shape[1])
        self._hits.append((texts, rows + first, scores.ravel()[at]))
        self.n_hits += len(at)
        if self.n_hits > self._n_sifted + NEW_PER_BEST * self._held.size:
            self._sift()

    def hits(self) -> tuple[Numbers, Numbers]:
        """Queries and rows, query by query and rows rising."""
        self._sift()
        return self._hits[0][:2]

    def _sift(self) -> None:
        """Drop what the hits themselves show not to be among the k best."""
        texts, rows, scores = (np.concatenate(part) for part in zip(*self._hits, strict=True))
        # Whole numbers of 16 bits sort by radix.
        order = np.argsort(texts.astype(np.min_scalar_type(len(self._held))), kind="stable")
        texts, rows, scores = texts[order], rows[order], scores[order]
        place = places(texts)
        # Of many hits the first show enough: the k-th score is at least that of any k rows.
        width = self._k + min(2 * self._k, place.max(initial=-1) + 1)
        fits = place < width - self._k
        known = np.full((len(self._held), width), -np.inf, np.float32)
        known[:, : self._k] = self._held
        known[texts[fits], self._k + place[fits]] = scores[fits]
        self._floor = np.maximum(self._floor, self._below(known))
        kept = scores > self._floor[texts]
        if self._are_many(kept):
            self._leave_out_copies()
            kept &= ~self._left_out[rows]
        self._hits = [(texts[kept], rows[kept], scores[kept])]
        self.n_hits = self._n_sifted = len(self._hits[0][0])

    def _are_many(self, hit: NDArray[np.bool_]) -> bool:
        """Whether looking for copies takes less time than scoring what k per query leaves."""
        return int(np.count_nonzero(hit)) > self._held.size + PAIRS_PER_LOOK * len(self._block)

    def _leave_out_copies(self) -> None:
        """Of equal rows only the first k can be among the k best, as ties go to first rows."""
        if not self._saw_copies:
            seen: Counter[bytes] = Counter()
            for i, row in enumerate(self._block):
                seen[data := row.tobytes()] += 1
                self._left_out[i] |= seen[data] > self._k
        self._saw_copies = True

    def _below(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """Less than the float32 score of any row whose exact one is at least the k-th here."""
        kth = np.partition(scores, -self._k, axis=1)[:, -self._k].astype(np.float64)
        below: NDArray[np.float32] = (kth - 2 * self._margin).astype(np.float32)
        return np.nextafter(below, np.float32(-np.inf), out=below)


def places(queries: Numbers) -> Numbers:
    """The how manieth hit of its query every hit is, where they come query by query."""
    firsts = np.flatnonzero(np.diff(queries, prepend=-1))
    return np.arange(len(queries)) - np.repeat(firsts, np.diff(firsts, append=len(queries)))
