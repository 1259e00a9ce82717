"""Planes of a searched grid are slices of its counts."""

from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from susx.search.grid import best_point
from susx.search.planes import MOST_VALUES, planes, thinned


def counted(sizes: Sequence[int], seed: int) -> tuple[dict[str, list[float]], np.ndarray]:
    random = np.random.default_rng(seed)
    axes = zip(("alpha", "beta", "gamma"), sizes, strict=False)
    grid = {name: np.sort(random.normal(size=size)).tolist() for name, size in axes}
    return grid, random.integers(0, 1000, tuple(sizes) or (1,))


def at(grid: Mapping[str, Sequence[float]], counts: np.ndarray, point: Mapping[str, float]) -> int:
    return int(counts[tuple(list(grid[name]).index(point[name]) for name in grid)])


@given(st.lists(st.integers(1, 60), max_size=3), st.integers(0, 99))
def test_planes_go_through_the_best_point(sizes: list[int], seed: int) -> None:
    grid, counts = counted(sizes, seed)
    best = best_point(counts, grid)
    found = list(planes(best, grid))
    names = list(grid)
    assert [(plane.x, plane.y) for plane in found] == [
        (x, y) for i, x in enumerate(names) for y in names[i + 1 :]
    ]
    for plane in found:
        axes = ((plane.x, plane.x_values), (plane.y, plane.y_values))
        for name, values in axes:
            assert len(values) <= MOST_VALUES
            assert values == sorted(set(values) & set(grid[name]))
            assert best.hyperparameters[name] in values
        shown = product(enumerate(plane.y_values), enumerate(plane.x_values))
        for (i, y), (j, x) in shown:
            point = {**best.hyperparameters, plane.x: x, plane.y: y}
            assert plane.correct[i][j] == at(grid, counts, point)
        assert max(map(max, plane.correct)) == best.correct


@given(st.integers(1, 400), st.floats(0, 1), st.integers(3, 60))
def test_thinned_places_rise_and_have_both_ends_and_the_chosen_one(
    n: int, share: float, most: int
) -> None:
    chosen = min(n - 1, int(share * n))
    found = list(thinned(n, chosen, most))
    assert found == sorted(set(found))
    assert {0, chosen, n - 1} <= set(found) <= set(range(n))
    assert len(found) <= most
    if n <= most:
        assert found == list(range(n))
    else:
        assert len(found) >= most - 1
