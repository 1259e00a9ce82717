"""Exact hyper-parameter search: the number of correct images at every point of a grid.

All logits here have the form `base + alpha * vote - gamma * penalty`, where only the vote depends
on further hyper-parameters. For given alpha and vote an image is classified correctly exactly on
an interval of gamma, and without a penalty on one of alpha. Counting intervals replaces
evaluating the grid point by point.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from susx.intervals import Points, Problem, intervals
from susx.methods import Terms

Grid = Mapping[str, Sequence[float]]
Counts = NDArray[np.int64]

MEMORY_MIB = {"cpu": 2048, "cuda": 16384, "mps": 4096}
"""Default working memory of a search, by kind of device."""
BLOCK_ROWS = {"cpu": 128, "cuda": 2048, "mps": 512}
"""Images handled at once, by kind of device, if memory allows."""
SLICE_ELEMENTS = {"cpu": 2**22, "cuda": 2**28, "mps": 2**25}
"""Votes handled at once, by kind of device, if memory allows."""


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


def search(
    terms: Terms,
    labels: Tensor,
    grid: Grid,
    *,
    continuous: bool = False,
    memory_mib: int | None = None,
) -> SearchResult:
    """Search a grid exhaustively.

    In float64 the counts are those of evaluating every point, ties included. In float32 they may
    differ where logits agree to rounding.

    Args:
        terms: a method's terms on (N, d) labelled images.
        labels: (N,) int64 true classes.
        grid: increasing values per hyper-parameter; empty for a method without any.
        memory_mib: working memory, on top of terms and counts, that sizes of blocks are derived
            from; by default that of `MEMORY_MIB`. It is exceeded only where the votes of a
            single image do not fit.
    """
    axes = {name: list(values) for name, values in grid.items()}
    points = list(product(*(axes[name] for name in terms.nonlinear)))
    gammas = axes.get("gamma", [0.0]) if "gamma" not in terms.nonlinear else [0.0]
    problem = Problem(terms, labels, axes.get("alpha", [0.0]), gammas)
    plan = Plan.of(problem, points, memory_mib)
    starts, stops = _histograms(problem, points, problem.inner, plan)
    found = _covered(starts, stops)
    if problem.along_alpha:
        found = found[0].T
    counts = found.cpu().numpy().reshape([len(values) for values in axes.values()] or [1])
    return choose(counts, axes)


def choose(counts: Counts, grid: Grid) -> SearchResult:
    """The best point of a grid, given its counts; ties go to the smallest values."""
    best = np.unravel_index(int(counts.argmax()), counts.shape)
    chosen = {name: float(grid[name][int(i)]) for name, i in zip(grid, best, strict=False)}
    return SearchResult(chosen, int(counts.max()), counts)


@dataclass(frozen=True)
class Plan:
    """Sizes of blocks.

    Attributes:
        rows: images per block.
        points: points for whose votes a method is asked at once.
        elements: votes handled at once.
        workers: blocks handled at the same time.
    """

    rows: int
    points: int
    elements: int
    workers: int

    @classmethod
    def of(cls, problem: Problem, points: Points, memory_mib: int | None) -> Plan:
        """Divide the memory: a third for votes, the rest for what is derived from them."""
        zero_shot = problem.terms.zero_shot
        n, n_classes = zero_shot.shape
        kind = zero_shot.device.type
        workers = torch.get_num_threads() if kind == "cpu" else 1
        memory = MEMORY_MIB[kind] if memory_mib is None else memory_mib
        share = memory * 2**20 // (workers * zero_shot.element_size())
        rows = min(BLOCK_ROWS[kind], -(-n // workers), share // (32 * n_classes))
        rows = max(1, rows)
        limit = min(len(points), share // (3 * rows * n_classes))
        # Whole periods of the last hyper-parameter, or parts of one, are cheapest to compute.
        period = len({point[-1] for point in points}) if points[0] else 1
        sizes = (s for s in range(limit, 0, -1) if s % period == 0 or period % s == 0)
        return cls(rows, next(sizes, 1), min(SLICE_ELEMENTS[kind], share // 24), workers)

    def run(self, n: int, work: Callable[[slice], None]) -> None:
        """Call `work` on blocks of n rows, in threads of which each computes on its own."""

        def call(rows: slice) -> None:
            with torch.inference_mode():
                work(rows)

        blocks = [slice(start, min(start + self.rows, n)) for start in range(0, n, self.rows)]
        threads = torch.get_num_threads()
        try:
            with ThreadPoolExecutor(self.workers, "search", torch.set_num_threads, (1,)) as pool:
                for _ in pool.map(call, blocks):
                    pass
        finally:
            torch.set_num_threads(threads)


def _histograms(
    problem: Problem, points: Points, values: Sequence[float], plan: Plan
) -> tuple[Tensor, Tensor]:
    """Count where intervals start and stop, (outer, points, len(values) + 1) each.

    An interval starts at the first value in it, and stops at the first value beyond it.
    """
    zero_shot = problem.terms.zero_shot
    edges = zero_shot.new_tensor(values)
    n_places = len(values) + 1
    shape = len(problem.outer), len(points), n_places
    starts = torch.zeros(shape, dtype=torch.int64, device=zero_shot.device)
    stops = torch.zeros_like(starts)
    lock = threading.Lock()

    def count(rows: slice) -> None:
        for part, lower, upper in intervals(problem, rows, points, plan.points, plan.elements):
            lines = lower.shape[0] * lower.shape[1]
            offsets = torch.arange(0, lines * n_places, n_places, device=lower.device)
            offsets = offsets.view(*lower.shape[:2], 1)
            empty = lower >= upper
            for total, ends, right in ((starts, lower, True), (stops, upper, False)):
                places = torch.searchsorted(edges, ends, right=right)
                places = places.masked_fill_(empty, len(values)).add_(offsets)
                histogram = places.flatten().bincount(minlength=lines * n_places)
                with lock:
                    total[:, part] += histogram.view(*lower.shape[:2], n_places)

    plan.run(len(zero_shot), count)
    return starts, stops


def _covered(starts: Tensor, stops: Tensor) -> Tensor:
    """How many intervals hold each value."""
    return (starts - stops).cumsum(dim=-1)[..., :-1]
