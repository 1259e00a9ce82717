"""Exact hyper-parameter search: the number of correct images at every point of a grid.

All logits here have the form `base + alpha * vote - gamma * penalty`, where only the vote depends
on further hyper-parameters. For given alpha and vote an image is classified correctly exactly on
an interval of gamma, and without a penalty, or with a single gamma, on one of alpha. Counting
intervals replaces evaluating the grid point by point.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from susx.methods import Terms
from susx.search.blocks import BlockPlan
from susx.search.continuous import best_stretch, refined_axis
from susx.search.intervals import GridPoints, Problem, intervals

Grid = Mapping[str, Sequence[float]]
Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Optimum:
    """A best point between the values of a grid.

    Attributes:
        hyperparameters: the point. All but the last linear hyper-parameter have grid values.
        correct: number of images that it classifies correctly.
    """

    hyperparameters: dict[str, float]
    correct: int


@dataclass(frozen=True)
class SearchResult:
    """Outcome of a search.

    Attributes:
        hyperparameters: the best grid point; ties go to the smallest values, in the order of
            the grid.
        correct: number of images that it classifies correctly.
        counts: that number for every grid point, axes in the order of the grid.
        continuous: the optimum over the range of the last linear hyper-parameter, if asked for.
    """

    hyperparameters: dict[str, float]
    correct: int
    counts: Counts
    continuous: Optimum | None = None


def search(
    terms: Terms,
    labels: Tensor,
    grid: Grid,
    *,
    memory_mib: int | None = None,
    continuous: bool = False,
) -> SearchResult:
    """Search a grid exhaustively.

    In float64 the counts are those of evaluating every point, ties included. In float32 they may
    differ where logits agree to rounding.

    The continuous optimum is over gamma where there is a penalty, otherwise over alpha, between
    the first and the last grid value, for every grid point of the others; where that one has a
    single value, it is the best grid point. It is the middle of the
    open stretch on which most images are right; ties go to the smallest values of the others,
    then to the lowest stretch. Stretches shorter than rounding (`eps ** 0.75` of the range) do
    not count: whether an image is right there depends on the order of summation. Points where
    intervals only touch are no stretch either. If for these reasons the best grid point has more
    correct images than any stretch, it is the optimum.

    Args:
        terms: a method's terms on (N, d) labelled images.
        labels: (N,) int64 true classes.
        grid: increasing values per hyper-parameter, in the order alpha, nonlinear ones, gamma;
            empty for a method without any.
        memory_mib: working memory, on top of terms, counts and tiles of fixed size (some 20 MiB
            per thread), from which sizes of blocks follow; by default `blocks.MEMORY_MIB`. It
            is exceeded only where the votes of one image at one point do not fit.
        continuous: whether to find the continuous optimum too. This takes a second pass over the
            points that can have it.

    Raises:
        InputError: if `memory_mib` is not positive.
    """
    axes = {name: [float(value) for value in values] for name, values in grid.items()}
    points = list(product(*(axes[name] for name in terms.nonlinear)))
    gammas = axes.get("gamma", [0.0]) if "gamma" not in terms.nonlinear else [0.0]
    # A term of votes without a weight of its own counts once.
    problem = Problem(terms, labels, axes.get("alpha", [1.0]), gammas)
    # Between the values of a single gamma there is nothing, whatever alpha's are.
    between = continuous and (terms.penalty is None or len(gammas) > 1)
    values, parts = problem.inner, 1
    if between:
        values, parts = refined_axis(values, len(problem.outer) * len(points))
    plan = BlockPlan.of(terms, points, len(problem.outer), len(values), memory_mib)
    starts, stops = _histograms(problem, points, values, plan)
    covered = (starts - stops).cumsum(dim=-1)[..., :-1]
    found = covered[..., ::parts]
    if problem.along_alpha:
        found = found[0].T
    counts = found.cpu().numpy().reshape([len(axis) for axis in axes.values()] or [1])
    result = best_point(counts, axes)
    if not continuous:
        return result
    args = problem, points, plan, starts, covered, result.correct
    stretch = best_stretch(*args) if between else None
    if stretch is None:
        return replace(result, continuous=Optimum(result.hyperparameters, result.correct))
    outer, place = divmod(stretch.line, len(points))
    named = {"alpha": problem.outer[outer]}
    named |= zip(terms.nonlinear, points[place], strict=True)
    named["alpha" if problem.along_alpha else "gamma"] = stretch.value
    optimum = Optimum({name: named[name] for name in axes}, stretch.correct)
    return replace(result, continuous=optimum)


def best_point(counts: Counts, grid: Grid) -> SearchResult:
    """The best point of a grid, given its counts; ties go to the smallest values."""
    best = np.unravel_index(int(counts.argmax()), counts.shape)
    chosen = {name: float(grid[name][int(i)]) for name, i in zip(grid, best, strict=False)}
    return SearchResult(chosen, int(counts.max()), counts)


def _histograms(
    problem: Problem, points: GridPoints, values: Sequence[float], plan: BlockPlan
) -> tuple[Tensor, Tensor]:
    """Count where intervals start and stop, (outer, points, len(values) + 1) each.

    An interval starts at the first value in it, and stops at the first value beyond it.
    """
    zero_shot = problem.terms.zero_shot
    shape = len(problem.outer), len(points), len(values) + 1
    starts = torch.zeros(shape, dtype=torch.int64, device=zero_shot.device)
    stops = torch.zeros_like(starts)
    lock = threading.Lock()

    def count(rows: slice) -> None:
        for part, lower, upper in intervals(problem, rows, points, plan):
            counted = _counted(values, lower, upper)
            for total, histogram in zip((starts, stops), counted, strict=True):
                with lock:
                    total[:, part] += histogram

    plan.run(len(zero_shot), count)
    return starts, stops


def _counted(values: Sequence[float], lower: Tensor, upper: Tensor) -> Iterator[Tensor]:
    """How many of (outer, P, n) intervals start, and stop, at a place: (outer, P, values + 1)."""
    edges, n_places = lower.new_tensor(values), len(values) + 1
    lines = lower.shape[0] * lower.shape[1]
    offsets = torch.arange(0, lines * n_places, n_places, device=lower.device)
    offsets = offsets.view(*lower.shape[:2], 1)
    empty = lower >= upper
    for ends, right in ((lower, True), (upper, False)):
        places = torch.searchsorted(edges, ends, right=right)
        places = places.masked_fill_(empty, len(values)).add_(offsets)
        histogram = places.flatten().bincount(minlength=lines * n_places)
        yield histogram.view(*lower.shape[:2], n_places)
