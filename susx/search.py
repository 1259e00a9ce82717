"""Exact hyper-parameter search: the number of correct images at every point of a grid.

All logits here have the form `base + alpha * vote - gamma * penalty`, where only the vote depends
on further hyper-parameters. For given alpha and vote an image is classified correctly exactly for
an interval of gamma. One pass over the classes finds it; counting intervals replaces evaluating
the grid point by point. Without a penalty the same holds for alpha.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from susx.methods import Terms

Grid = Mapping[str, Sequence[float]]
Counts = NDArray[np.int64]

BLOCK_ELEMENTS = {"cpu": 2**25, "cuda": 2**29, "mps": 2**26}
"""Votes (points x rows x classes) held at once per thread, by kind of device."""


@dataclass(frozen=True)
class SearchResult:
    """Outcome of a search.

    Attributes:
        hyperparameters: the best grid point; ties go to the smallest values, in the order of
            the grid.
        correct: number of images that it classifies correctly.
        counts: that number for every grid point, axes in the order of the grid.
    """

    hyperparameters: dict[str, float]
    correct: int
    counts: Counts


def search(terms: Terms, labels: Tensor, grid: Grid, continuous: bool = False) -> SearchResult:
    """Search a grid exhaustively, in memory that depends on `BLOCK_ELEMENTS` and N x C only.

    In float64 the counts are those of evaluating every point, ties included. In float32 they may
    differ where logits agree to rounding.

    Args:
        terms: a method's terms on (N, d) labelled images.
        labels: (N,) int64 true classes.
        grid: increasing values per hyper-parameter; empty for a method without any.
    """
    points = list(product(*(grid[name] for name in terms.nonlinear)))
    alphas, gammas = grid.get("alpha", [0.0]), grid.get("gamma", [0.0])
    n, n_classes = terms.zero_shot.shape
    size = max(1, BLOCK_ELEMENTS[terms.zero_shot.device.type] // (len(points) * n_classes))
    threads = torch.get_num_threads()
    workers = threads if terms.zero_shot.device.type == "cpu" else 1
    size = max(1, min(size, -(-n // workers)))
    blocks = [slice(start, min(start + size, n)) for start in range(0, n, size)]

    def count(rows: slice) -> Counts:
        with torch.inference_mode():
            return _count_block(terms, rows, labels[rows], points, alphas, gammas)

    try:
        with ThreadPoolExecutor(workers, "search", torch.set_num_threads, (1,)) as pool:
            total = sum(pool.map(count, blocks), np.zeros((), np.int64))
    finally:
        torch.set_num_threads(threads)
    return choose(np.asarray(total).reshape([len(v) for v in grid.values()] or [1]), grid)


def choose(counts: Counts, grid: Grid) -> SearchResult:
    """The best point of a grid, given its counts; ties go to the smallest values."""
    best = np.unravel_index(int(counts.argmax()), counts.shape)
    chosen = {name: float(grid[name][int(i)]) for name, i in zip(grid, best, strict=False)}
    return SearchResult(chosen, int(counts.max()), counts)


def _count_block(
    terms: Terms,
    rows: slice,
    labels: Tensor,
    points: Sequence[tuple[float, ...]],
    alphas: Sequence[float],
    gammas: Sequence[float],
) -> Counts:
    """Counts of some rows, axes (alpha, nonlinear points, gamma)."""
    truth = labels[:, None]
    lead = _relative(terms.zero_shot[rows], truth)
    votes = terms.votes(rows, points) if terms.votes is not None else [None] * len(points)
    counts = np.zeros((len(alphas), len(points), len(gammas)), np.int64)
    bounds = None
    if terms.penalty is not None or terms.votes is None:
        penalty = torch.zeros_like(lead) if terms.penalty is None else terms.penalty[rows]
        bounds = _Bounds(_relative(penalty, truth), truth)
    for j, vote in enumerate(votes):
        rise = None if vote is None else _relative(vote, truth)
        if bounds is None and rise is not None:
            counts[:, j, 0] = _Bounds(rise.neg(), truth).count(iter([lead]), 1, alphas)[0]
        elif bounds is not None:
            leads = (lead if rise is None else torch.add(lead, rise, alpha=a) for a in alphas)
            counts[:, j] = bounds.count(leads, len(alphas), gammas)
    return counts


def _relative(values: Tensor, truth: Tensor) -> Tensor:
    return values - values.gather(1, truth)


class _Bounds:
    """Where `lead_c < v * rise_c` holds for all wrong classes c of a row.

    `lead` is how far c is ahead at v = 0, `rise` by how much it falls back per unit of v.
    """

    def __init__(self, rise: Tensor, truth: Tensor) -> None:
        infinity = torch.inf
        inverse = 1 / rise
        self.below = torch.where(rise > 0, inverse, 0)
        self.above = torch.where(rise < 0, inverse, 0)
        self.no_below = torch.where(rise > 0, 0.0, -infinity).to(rise.dtype)
        self.no_above = torch.where(rise < 0, 0.0, infinity).to(rise.dtype)
        index = torch.arange(rise.shape[1], device=rise.device)
        self.later = index > truth
        self.flat = (rise == 0) & (index != truth)
        self.any_flat = bool(self.flat.any())

    def count(self, leads: Iterator[Tensor], n_leads: int, values: Sequence[float]) -> Counts:
        """Count rows that are right, (n_leads, len(values))."""
        lower = self.below.new_empty(n_leads, len(self.below))
        upper = torch.empty_like(lower)
        buffer = torch.empty_like(self.below)
        exact = self.below.dtype == torch.float64
        for i, lead in enumerate(leads):
            if exact:  # A class of higher index loses ties: put it a few roundings behind.
                lead = torch.where(self.later, lead - lead.abs() * 1e-15 - 1e-290, lead)
            torch.addcmul(self.no_below, lead, self.below, out=buffer)
            torch.amax(buffer, dim=1, out=lower[i])
            torch.addcmul(self.no_above, lead, self.above, out=buffer)
            torch.amin(buffer, dim=1, out=upper[i])
            if self.any_flat:
                ahead = (lead > 0) | ((lead == 0) & ~self.later)
                upper[i].masked_fill_((ahead & self.flat).any(dim=1), -torch.inf)
        points = torch.tensor(list(values), dtype=lower.dtype, device=lower.device)
        first = torch.searchsorted(points, lower, right=True)
        last = torch.searchsorted(points, upper, right=False)
        return _histogram(first, last, len(values))


def _histogram(first: Tensor, last: Tensor, n_values: int) -> Counts:
    """Count per row of (L, n) index ranges [first, last) how many cover each value."""
    offset = (torch.arange(len(first), device=first.device) * (n_values + 1))[:, None]
    valid = last > first
    total = len(first) * (n_values + 1)
    starts = torch.bincount((first + offset)[valid], minlength=total)
    stops = torch.bincount((last + offset)[valid], minlength=total)
    changes = (starts - stops).view(len(first), n_values + 1)
    counts: Counts = changes.cumsum(1)[:, :n_values].cpu().numpy().astype(np.int64)
    return counts
