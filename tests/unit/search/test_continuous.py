"""The continuous optimum against evaluating logits in float64."""

from collections.abc import Mapping, Sequence
from itertools import pairwise, product

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from susx.methods import Terms
from susx.search import blocks as plan
from susx.search import continuous
from susx.search.grid import SearchResult, search
from tests.search_problems import AXES, Made, integer_problems, normal_problem

Grid = dict[str, list[float]]
SHORTEST = 1e-9


def logits(made: Made, point: Mapping[str, float]) -> np.ndarray:
    total = made.zero_shot.copy()
    if made.votes:
        total += point["alpha"] * made.votes[point["beta"]]
    if made.penalty is not None:
        total -= point["gamma"] * made.penalty
    return total


def correct(made: Made, labels: np.ndarray, point: Mapping[str, float]) -> int:
    return int((logits(made, point).argmax(axis=1) == labels).sum())


def crossings(made: Made, labels: np.ndarray, other: Mapping[str, float], last: str) -> np.ndarray:
    """Where a class and the true one have equal logits."""
    at_0, at_1 = (logits(made, {**other, last: value}) for value in (0.0, 1.0))
    true = np.arange(len(labels)), labels
    base, slope = at_0 - at_0[true][:, None], (at_1 - at_0) - (at_1 - at_0)[true][:, None]
    return -base[slope != 0] / slope[slope != 0]


def brute_force(
    made: Made, labels: np.ndarray, grid: Grid, last: str
) -> tuple[int, dict[str, float], list[tuple[float, int]]]:
    """First best line, with the middles of all its pieces and the counts there."""
    others = {name: values for name, values in grid.items() if name != last}
    first, final = grid[last][0], grid[last][-1]
    best: tuple[int, dict[str, float], list[tuple[float, int]]] = (-1, {}, [])
    for values in product(*others.values()):
        other = dict(zip(others, values, strict=True))
        inside = crossings(made, labels, other, last)
        inside = inside[(inside > first) & (inside < final)]
        ends = np.unique(np.concatenate([[first, final], inside]))
        middles = [float(a + b) / 2 for a, b in pairwise(ends) if b - a > SHORTEST]
        pieces = [(v, correct(made, labels, {**other, last: v})) for v in middles]
        count = max((c for _, c in pieces), default=-1)
        if count > best[0]:
            best = count, other, pieces
    return best


def check(made: Made, labels: np.ndarray, grid: Grid) -> SearchResult:
    found = search(made.terms(), torch.from_numpy(labels), grid, continuous=True)
    assert found.continuous is not None
    point, count = found.continuous.hyperparameters, found.continuous.correct
    assert list(point) == list(grid)
    assert correct(made, labels, point) == count >= found.correct
    if not grid:
        return found
    last = "gamma" if "gamma" in grid else "alpha"
    reachable, line, pieces = brute_force(made, labels, grid, last)
    assert count == max(reachable, found.correct)
    if reachable < found.correct:
        assert point == found.hyperparameters
    else:
        assert {name: value for name, value in point.items() if name != last} == line
        lowest = next(value for value, right in pieces if right == reachable)
        low, high = sorted((lowest, point[last]))
        assert all(right == reachable for value, right in pieces if low <= value <= high)
    return found


NAMES = pytest.mark.parametrize(
    "names", [(), ("alpha", "beta"), AXES], ids=["none", "tip", "tip-x"]
)


@NAMES
@pytest.mark.parametrize("seed", range(12))
def test_optimum_is_that_of_evaluating_every_piece(names: Sequence[str], seed: int) -> None:
    check(*normal_problem(seed, names, n=(seed % 3 + 1) * 9))


@NAMES
@pytest.mark.parametrize("seed", range(4))
def test_optimum_does_not_depend_on_blocks(
    monkeypatch: pytest.MonkeyPatch, names: Sequence[str], seed: int
) -> None:
    made, labels, grid = normal_problem(seed, names, n=30)
    whole = check(made, labels, grid)
    monkeypatch.setattr(continuous, "MAX_VALUES", 1)
    monkeypatch.setattr(continuous, "SORT_ELEMENTS", 1)
    monkeypatch.setattr(plan, "MIB", 1)
    assert check(made, labels, grid).continuous == whole.continuous


@given(integer_problems())
def test_optimum_of_problems_full_of_ties(problem: tuple[Made, np.ndarray, Grid]) -> None:
    check(*problem)


@given(st.integers(0, 10**6), st.sampled_from([("alpha", "beta"), AXES]), st.integers(1, 30))
def test_optimum_of_random_problems(seed: int, names: Sequence[str], n: int) -> None:
    made, labels, grid = normal_problem(seed, names, n, classes=1 + seed % 5)
    check(made, labels, grid)


def test_optimum_is_the_middle_of_the_lowest_best_stretch() -> None:
    # The first image is right for gamma < 3, the second for gamma > 1, the third beyond 7.
    base = np.array([[3.0, 0.0], [-1.0, 0.0], [-7.0, 0.0]])
    penalty = np.array([[1.0, 0.0], [-1.0, 0.0], [-1.0, 0.0]])
    labels = np.array([0, 0, 0])
    found = check(Made(base, {}, penalty), labels, {"gamma": [0.0, 0.5, 10.0]})
    assert (found.correct, found.hyperparameters) == (2, {"gamma": 10.0})
    assert found.continuous is not None
    assert found.continuous.hyperparameters == pytest.approx({"gamma": 2.0})


def test_stretches_end_with_the_grid() -> None:
    made = Made(np.array([[-1.0, 0.0]]), {}, np.array([[-1.0, 0.0]]))
    found = check(made, np.array([0]), {"gamma": [0.0, 5.0]})
    assert found.continuous is not None
    assert found.continuous.hyperparameters == pytest.approx({"gamma": 3.0})


def test_ties_go_to_the_smallest_alpha_then_beta() -> None:
    vote = np.array([[1.0, 0.0]])
    made = Made(np.array([[0.0, 2.5]]), {1.0: 0 * vote, 2.0: vote, 3.0: vote}, 0 * vote)
    grid = {"alpha": [2.0, 3.0, 4.0], "beta": [1.0, 2.0, 3.0], "gamma": [0.0, 4.0]}
    found = check(made, np.array([0]), grid)
    assert found.continuous is not None
    assert found.continuous.hyperparameters == {"alpha": 3.0, "beta": 2.0, "gamma": 2.0}


def test_where_intervals_only_touch_there_is_no_stretch() -> None:
    # Class 0 is right up to gamma = 1, class 1 beyond: only at 1 itself does a tie make two.
    made = Made(np.array([[1.0, 0.0], [-1.0, 0.0]]), {}, np.array([[1.0, 0.0], [-1.0, 0.0]]))
    labels = np.array([0, 0])
    touching = check(made, labels, {"gamma": [0.0, 1.0, 2.0]})
    assert touching.continuous is not None
    assert (touching.continuous.correct, touching.continuous.hyperparameters) == (2, {"gamma": 1.0})
    apart = check(made, labels, {"gamma": [0.0, 2.0]})
    assert apart.continuous is not None
    assert apart.continuous.correct == 1


@pytest.mark.parametrize("values", [[2.0], [0.5]])
def test_a_single_value_has_no_range(values: list[float]) -> None:
    made = Made(np.array([[1.0, 0.0]]), {}, np.array([[1.0, 0.0]]))
    found = check(made, np.array([0]), {"gamma": values})
    assert found.continuous is not None
    assert found.continuous.hyperparameters == {"gamma": values[0]}


def test_nothing_continuous_is_searched_unasked() -> None:
    found = search(Terms(torch.eye(2)), torch.tensor([0, 1]), {})
    assert found.continuous is None
