"""Accuracy on the tuning images over two hyper-parameters at a time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from susx.evaluation.arrays import LabelledImages
from susx.evaluation.tuning import TuningSettings, grid_of, search_support_each
from susx.methods import Context
from susx.report.rows import Row
from susx.report.schema import Surface
from susx.search.grid import Counts, Grid, SearchResult, search_each

MOST_VALUES = 40
"""Values of an axis."""
MOST_SUPPORT = 20_000
"""Support images up to which a search on the support set itself, M x M affinities, is repeated."""


def surfaces(
    row: Row, context: Context, settings: TuningSettings, tuning: LabelledImages | None
) -> Iterator[Surface]:
    """Surfaces of a tuned row, one per pair of hyper-parameters; none for a row that is not tuned.

    Args:
        row: the row.
        context: what its method knew when it was tuned: no constants of other images.
        settings: how it was tuned.
        tuning: images of protocol `validation`.
    """
    counted = _counter(row, context, settings, tuning)
    if counted is None:
        return
    count, n = counted
    grid, chosen = grid_of(row.method, context, settings), row.hyperparameters
    pairs = list(combinations(grid, 2))
    if not pairs:
        return
    axes = {name: thinned(grid[name], chosen[name]) for name in grid}
    grids = [
        {name: axes[name] if name in pair else [chosen[name]] for name in grid} for pair in pairs
    ]
    for (x, y), found in zip(pairs, count(grids), strict=True):
        yield accuracy_surface(row, (x, y), (axes[x], axes[y]), found.counts, n)


def _counter(
    row: Row, context: Context, settings: TuningSettings, tuning: LabelledImages | None
) -> tuple[Callable[[Sequence[Grid]], list[SearchResult]], int] | None:
    """What counts right tuning images on grids, and how many there are; None if none are."""
    memory = settings.memory_mib
    if row.case.protocol == "validation" and tuning is not None:
        terms, labels = row.method.finite_terms(context, tuning.images), tuning.labels
        return lambda grids: search_each(terms, labels, grids, memory_mib=memory), len(labels)
    n = 0 if context.support is None else len(context.support)
    if row.case.protocol == "support" and n <= MOST_SUPPORT:
        return lambda grids: search_support_each(row.method, context, grids, memory), n
    return None


def accuracy_surface(
    row: Row,
    names: tuple[str, str],
    axes: tuple[Sequence[float], Sequence[float]],
    counts: Counts,
    n: int,
) -> Surface:
    """A surface from numbers of right images, in any shape with x before y, among n."""
    grid = counts.reshape(len(axes[0]), len(axes[1])).T
    shares = grid / n
    least = plateau(shares, n)
    return Surface(
        case=row.case,
        tuned_on=row.tuned_on,
        x=names[0],
        y=names[1],
        x_values=list(axes[0]),
        y_values=list(axes[1]),
        accuracy=(100 * grid / n).tolist(),
        chosen=dict(row.hyperparameters),
        plateau=100 * least,
        plateau_share=float((shares >= least).mean()),
    )


def plateau(shares: NDArray[np.float64], n: int) -> float:
    """The best of some shares of n images, less one standard error."""
    best = float(shares.max())
    return max(0.0, best - math.sqrt(best * (1 - best) / n))


def thinned(values: Sequence[float], chosen: float, most: int = MOST_VALUES) -> list[float]:
    """At most `most` of some rising values, evenly spaced; the chosen one, in or between, is kept.

    The first and the last are kept too.
    """
    if len({*values, chosen}) <= most:
        return sorted({*values, chosen})
    places = np.linspace(0, len(values) - 1, most - 1).round().astype(int)
    return sorted({*(values[i] for i in places), chosen})
