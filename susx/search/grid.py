"""Exact hyper-parameter search: the number of correct images at every point of a grid.

All logits here have the form `base + alpha * vote - gamma * penalty`, where only the vote depends
on further hyper-parameters. For given alpha and vote an image is classified correctly exactly on
an interval of gamma, and without a penalty, or with a single gamma, on one of alpha. Counting
intervals replaces evaluating the grid point by point. Several grids share the votes, which cost
most.
"""

from __future__ import annotations

import threading
from bisect import bisect, bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from susx.methods import Terms
from susx.methods.ragged import index_of
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
    if not continuous:
        return search_each(terms, labels, [grid], memory_mib=memory_mib)[0]
    lines = _Lines.of(terms, labels, grid)
    problem = lines.problem
    if problem.terms.penalty is not None and len(problem.gammas) == 1:
        result = search_each(terms, labels, [grid], memory_mib=memory_mib)[0]
        return replace(result, continuous=Optimum(result.hyperparameters, result.correct))
    fine, parts = refined_axis(problem.inner, len(problem.outer) * len(lines.points))
    plan = BlockPlan.of(terms, lines.points, len(problem.outer), len(fine), memory_mib)
    ((starts, stops),) = _histograms([replace(lines, values=fine)], lines.points, plan)
    result = lines.result(starts, stops, parts)
    covered = (starts - stops).cumsum(dim=-1)[..., :-1]
    stretch = best_stretch(problem, lines.points, plan, starts, covered, result.correct)
    if stretch is None:
        return replace(result, continuous=Optimum(result.hyperparameters, result.correct))
    outer, place = divmod(stretch.line, len(lines.points))
    named = {"alpha": problem.outer[outer]}
    named |= zip(terms.nonlinear, lines.points[place], strict=True)
    named["alpha" if problem.along_alpha else "gamma"] = stretch.value
    optimum = Optimum({name: named[name] for name in lines.axes}, stretch.correct)
    return replace(result, continuous=optimum)


def search_each(
    terms: Terms, labels: Tensor, grids: Sequence[Grid], *, memory_mib: int | None = None
) -> list[SearchResult]:
    """Search several grids exhaustively, as `search` does, with the votes of all worked out once.

    Raises:
        InputError: if `memory_mib` is not positive.
    """
    searched = [_Lines.of(terms, labels, grid) for grid in grids]
    points = sorted({point for lines in searched for point in lines.points})
    n_outer = max(len(lines.problem.outer) for lines in searched)
    n_values = max(len(lines.values) for lines in searched)
    plan = BlockPlan.of(terms, points, n_outer, n_values, memory_mib)
    counted = _histograms(searched, points, plan)
    return [lines.result(*ends) for lines, ends in zip(searched, counted, strict=True)]


@dataclass(frozen=True)
class _Lines:
    """A grid as lines along its last linear hyper-parameter.

    Attributes:
        axes: values per hyper-parameter.
        problem: the lines' outer and inner values.
        points: those of the nonlinear hyper-parameters, rising.
        values: rising values along a line that intervals are counted at.
    """

    axes: Grid
    problem: Problem
    points: GridPoints
    values: Sequence[float]

    @classmethod
    def of(cls, terms: Terms, labels: Tensor, grid: Grid) -> _Lines:
        axes = {name: [float(value) for value in values] for name, values in grid.items()}
        points = list(product(*(axes[name] for name in terms.nonlinear)))
        gammas = axes.get("gamma", [0.0]) if "gamma" not in terms.nonlinear else [0.0]
        # A term of votes without a weight of its own counts once.
        problem = Problem(terms, labels, axes.get("alpha", [1.0]), gammas)
        return cls(axes, problem, points, problem.inner)

    def result(self, starts: Tensor, stops: Tensor, parts: int = 1) -> SearchResult:
        """The grid's counts, one value in so many `parts` being one of its own."""
        found = (starts - stops).cumsum(dim=-1)[..., :-1:parts]
        if self.problem.along_alpha:
            found = found[0].T
        counts = found.cpu().numpy().reshape([len(axis) for axis in self.axes.values()] or [1])
        return best_point(counts, self.axes)


def best_point(counts: Counts, grid: Grid) -> SearchResult:
    """The best point of a grid, given its counts; ties go to the smallest values."""
    best = np.unravel_index(int(counts.argmax()), counts.shape)
    chosen = {name: float(grid[name][int(i)]) for name, i in zip(grid, best, strict=False)}
    return SearchResult(chosen, int(counts.max()), counts)


def _histograms(
    searched: Sequence[_Lines], points: GridPoints, plan: BlockPlan
) -> list[tuple[Tensor, Tensor]]:
    """Count where intervals start and stop, (outer, own points, len(values) + 1) each, per grid.

    An interval starts at the first value in it, and stops at the first value beyond it.
    """
    terms = searched[0].problem.terms
    made: list[tuple[Tensor, Tensor]] = []
    for lines in searched:
        shape = len(lines.problem.outer), len(lines.points), len(lines.values) + 1
        starts = torch.zeros(shape, dtype=torch.int64, device=terms.zero_shot.device)
        made.append((starts, torch.zeros_like(starts)))
    lock = threading.Lock()

    def count(rows: slice) -> None:
        for start in range(0, len(points), plan.points):
            asked = points[start : start + plan.points]
            known = _with_votes(terms, rows, asked)
            for lines, (starts, stops) in zip(searched, made, strict=True):
                first, last = bisect_left(lines.points, asked[0]), bisect(lines.points, asked[-1])
                own = range(first, last)  # both rise, and all of these are among those asked for
                problem = replace(lines.problem, terms=known)
                some = [lines.points[place] for place in own]
                for part, lower, upper in intervals(problem, rows, some, plan):
                    places = index_of(own[part])
                    for total, counted in zip(
                        (starts, stops), _counted(lines.values, lower, upper), strict=True
                    ):
                        with lock:
                            total[:, places] += counted

    plan.run(len(terms.zero_shot), count)
    return made


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


def _with_votes(terms: Terms, rows: slice, points: GridPoints) -> Terms:
    """The terms, with the votes on some rows at some points at hand."""
    if terms.votes is None:
        return terms
    votes, place = terms.votes(rows, points), {point: i for i, point in enumerate(points)}

    def known(_: slice, some: GridPoints) -> Tensor:
        return votes[index_of([place[point] for point in some])]

    return replace(terms, votes=known)
