"""Planes of a searched grid: right images over two hyper-parameters, for figures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from susx.search.grid import Grid, SearchResult

MOST_VALUES = 40
"""Values of an axis: a figure shows no more of them."""


@dataclass(frozen=True)
class Plane:
    """Right images over two hyper-parameters, the others as at the best point of the grid.

    Attributes:
        x: name of one hyper-parameter.
        y: name of another, later in the grid.
        x_values: (n,) rising values of the grid, at most `MOST_VALUES`, the best one among them.
        y_values: (m,) likewise.
        correct: (m, n) numbers of right images.
    """

    x: str
    y: str
    x_values: list[float]
    y_values: list[float]
    correct: list[list[int]]


def planes(found: SearchResult, grid: Grid) -> Iterator[Plane]:
    """The planes through the best point of a searched grid, one per pair of hyper-parameters."""
    names = list(grid)
    best = [list(grid[name]).index(value) for name, value in found.hyperparameters.items()]
    kept = [thinned(len(grid[name]), place) for name, place in zip(names, best, strict=True)]
    for i, j in combinations(range(len(best)), 2):
        chosen = [kept[k] if k in (i, j) else [place] for k, place in enumerate(best)]
        counts = found.counts[np.ix_(*chosen)].reshape(len(kept[i]), len(kept[j]))
        x_values, y_values = ([float(grid[names[n]][k]) for k in kept[n]] for n in (i, j))
        yield Plane(names[i], names[j], x_values, y_values, counts.T.tolist())


def thinned(n: int, chosen: int, most: int = MOST_VALUES) -> Sequence[int]:
    """At most `most` of n places, evenly spaced; both ends and the chosen one are kept."""
    if n <= most:
        return range(n)
    spaced = np.linspace(0, n - 1, most - 1).round().astype(int)
    return sorted({*spaced.tolist(), chosen})
