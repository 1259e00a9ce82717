"""Exact hyper-parameter search against evaluating every grid point."""

from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from susx.methods import METHODS, Context, Images, Terms
from susx.search.grid import search
from tests.helpers import make_problem
from tests.search_problems import AXES, Made, integer_problems, normal_problem


def correct_counts(
    base: torch.Tensor, slope: torch.Tensor, labels: torch.Tensor, values: Sequence[float]
) -> np.ndarray:
    """Counts over values of gamma alone, in float64, where ties are exact."""
    terms = Terms(base.double(), penalty=slope.double())
    return search(terms, labels, {"gamma": list(values)}).counts


def check(made: Made, labels: np.ndarray, grid: Mapping[str, Sequence[float]]) -> None:
    """Compare counts, the best point and its tie-breaking with trying every point in order."""
    found = search(made.terms(), torch.from_numpy(labels), grid)
    best, best_point, counts = -1, {}, []
    for values in product(*grid.values()):
        point = dict(zip(grid, values, strict=True))
        counts.append(made.correct(labels, point))
        if counts[-1] > best:
            best, best_point = counts[-1], point
    assert found.counts.ravel().tolist() == counts
    assert found.counts.shape == (tuple(len(v) for v in grid.values()) or (1,))
    assert (found.correct, found.hyperparameters) == (best, best_point)


@pytest.mark.parametrize("names", [(), ("alpha", "beta"), AXES], ids=["none", "tip", "tip-x"])
@pytest.mark.parametrize("seed", range(8))
def test_counts_equal_those_of_every_grid_point(names: Sequence[str], seed: int) -> None:
    check(*normal_problem(seed, names))


@pytest.mark.parametrize("seed", range(8))
def test_classes_that_tie_everywhere_go_to_the_first(seed: int) -> None:
    made, labels, grid = normal_problem(seed, AXES, classes=3)
    twice = [0, 1, 2, 1, 0]
    doubled = Made(
        made.zero_shot[:, twice],
        {beta: vote[:, twice] for beta, vote in made.votes.items()},
        made.penalty[:, twice],  # type: ignore[index]
    )
    labels = np.random.default_rng(seed).integers(0, 5, len(labels))
    check(doubled, labels, grid)


@pytest.mark.parametrize("seed", range(4))
def test_terms_without_slope_leave_the_choice_to_the_others(seed: int) -> None:
    made, labels, grid = normal_problem(seed, AXES)
    flat = Made(made.zero_shot, made.votes, np.ones_like(made.zero_shot))
    check(flat, labels, grid)
    still = {beta: np.zeros_like(vote) for beta, vote in made.votes.items()}
    check(Made(made.zero_shot, still, made.penalty), labels, grid)


@pytest.mark.parametrize("seed", range(8))
def test_a_single_gamma_is_searched_along_alpha(seed: int) -> None:
    made, labels, grid = normal_problem(seed, AXES)
    check(made, labels, {**grid, "gamma": grid["gamma"][2:3]})
    check(made, labels, {**grid, "alpha": [-2.0, 0.0, 1.0], "gamma": [-1.0]})


@given(integer_problems())
def test_ties_along_alpha_at_a_single_gamma_are_those_of_argmax(
    problem: tuple[Made, np.ndarray, dict[str, list[float]]],
) -> None:
    made, labels, grid = problem
    for gamma in grid.get("gamma", []):
        check(made, labels, {**grid, "gamma": [gamma]})


@given(integer_problems())
def test_ties_at_single_grid_points_are_those_of_argmax(
    problem: tuple[Made, np.ndarray, dict[str, list[float]]],
) -> None:
    check(*problem)


def test_first_of_two_classes_wins_where_they_cross() -> None:
    # Class 1 overtakes class 0 at gamma = 1; there both have the logit 1.
    base, slope = torch.tensor([[2.0, 1.0]]), torch.tensor([[1.0, 0.0]])
    grid = [0.5, 1.0, 1.5]
    assert correct_counts(base, slope, torch.tensor([0]), grid).tolist() == [1, 1, 0]
    assert correct_counts(base, slope, torch.tensor([1]), grid).tolist() == [0, 0, 1]


@pytest.mark.parametrize("label", [0, 1])
def test_ties_of_large_sums_are_those_of_argmax(label: int) -> None:
    # Logits are equal for 1 + 8 alpha = 9 gamma.
    made = Made(np.array([[0.0, 1.0]]), {1.0: np.array([[0.0, 8.0]])}, np.array([[0.0, 9.0]]))
    grid = {"alpha": [0.0, 1.0, 10.0], "beta": [1.0], "gamma": [0.5, 1.0, 9.0]}
    check(made, np.array([label]), grid)
    mirrored = Made(-made.zero_shot, {1.0: -made.votes[1.0]}, np.array([[9.0, 0.0]]))
    check(mirrored, np.array([label]), grid)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("spread", [0.1, 10.0])
def test_many_classes_of_which_few_can_win(seed: int, spread: float) -> None:
    made, labels, grid = normal_problem(seed, AXES, n=25, classes=60)
    check(Made(spread * made.zero_shot, made.votes, made.penalty), labels, grid)


@pytest.mark.parametrize("names", [("alpha", "beta"), AXES], ids=["tip", "tip-x"])
@pytest.mark.parametrize("seed", range(4))
def test_values_may_be_negative(names: Sequence[str], seed: int) -> None:
    made, labels, grid = normal_problem(seed, names)
    shifted = {name: [v - 1.5 * (name != "beta") for v in axis] for name, axis in grid.items()}
    check(made, labels, shifted)


def test_ties_between_grid_points_go_to_the_smallest_alpha_then_beta_then_gamma() -> None:
    # The only image is right if alpha + gamma >= 3, whatever beta is.
    votes = {beta: np.array([[1.0, 0.0]]) for beta in (1.0, 2.0)}
    made = Made(np.array([[0.0, 2.5]]), votes, np.array([[-1.0, 0.0]]))
    grid = {"alpha": [0.0, 1.0, 2.0], "beta": [1.0, 2.0], "gamma": [0.0, 1.0, 2.0, 3.0]}
    found = search(made.terms(), torch.tensor([0]), grid)
    assert found.hyperparameters == {"alpha": 0.0, "beta": 1.0, "gamma": 3.0}
    assert found.counts.shape == (3, 2, 4)


def test_when_all_points_are_equal_the_first_is_chosen() -> None:
    made = Made(np.array([[9.0, 0.0]]), {1.0: np.zeros((1, 2)), 2.0: np.zeros((1, 2))}, None)
    found = search(made.terms(), torch.tensor([0]), {"alpha": [1.0, 2.0], "beta": [1.0, 2.0]})
    assert found.hyperparameters == {"alpha": 1.0, "beta": 1.0}
    assert found.counts.tolist() == [[1, 1], [1, 1]]


def test_search_without_hyperparameters_counts_correct_images() -> None:
    made = Made(np.eye(3), {}, None)
    found = search(made.terms(), torch.tensor([0, 1, 1]), {})
    assert (found.hyperparameters, found.correct, found.counts.tolist()) == ({}, 2, [2])


@pytest.mark.parametrize("method", ["tip-adapter", "tip-x"])
def test_found_point_classifies_as_many_images_as_promised(method: str) -> None:
    problem = make_problem(3, n=60)
    context = Context(
        torch.from_numpy(problem.text),
        100.0,
        torch.from_numpy(problem.support),
        torch.from_numpy(problem.support_labels),
    )
    images, labels = torch.from_numpy(problem.images), torch.from_numpy(problem.labels)
    axes = METHODS[method].grid
    grid = {name: axis.values(100.0)[:: max(1, axis.steps // 7)] for name, axis in axes.items()}
    found = search(METHODS[method].terms(context, Images(images)), labels, grid)
    logits = METHODS[method].fit(context, found.hyperparameters).logits(Images(images))
    assert (logits.argmax(dim=1) == labels).sum().item() == found.correct == found.counts.max()
    assert found.correct > (images @ context.text.T).argmax(dim=1).eq(labels).sum().item()


# Properties of counting


@st.composite
def real_problems(draw: st.DrawFn) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, list[float]]:
    random = np.random.default_rng(draw(st.integers(0, 10**6)))
    n, classes = draw(st.integers(1, 30)), draw(st.integers(1, 6))
    base, slope = (torch.from_numpy(random.normal(size=(n, classes))) for _ in range(2))
    values = sorted(float(v) for v in random.uniform(-2, 2, draw(st.integers(1, 9))))
    return base, slope, torch.from_numpy(random.integers(0, classes, n)), values


Problem = tuple[torch.Tensor, torch.Tensor, torch.Tensor, list[float]]


@given(real_problems())
def test_counts_are_those_of_argmax(problem: Problem) -> None:
    base, slope, labels, values = problem
    expected = [int((base - v * slope).argmax(dim=1).eq(labels).sum()) for v in values]
    assert correct_counts(*problem).tolist() == expected


@given(real_problems(), st.floats(-5, 5), st.floats(-5, 5))
def test_what_all_classes_share_does_not_matter(problem: Problem, a: float, b: float) -> None:
    base, slope, labels, values = problem
    shifted = correct_counts(base + a, slope + b, labels, values)
    assert shifted.tolist() == correct_counts(*problem).tolist()


@given(real_problems(), st.integers(0, 30))
def test_counts_of_two_halves_add_up(problem: Problem, cut: int) -> None:
    base, slope, labels, values = problem
    halves = [
        correct_counts(base[rows], slope[rows], labels[rows], values)
        for rows in (slice(0, cut), slice(cut, None))
        if len(labels[rows])
    ]
    assert sum(halves).tolist() == correct_counts(*problem).tolist()  # type: ignore[union-attr]


@given(real_problems())
def test_every_image_has_one_class_at_every_value(problem: Problem) -> None:
    base, slope, _, values = problem
    counts = [
        correct_counts(base, slope, torch.full((len(base),), c), values)
        for c in range(base.shape[1])
    ]
    assert sum(counts).tolist() == [len(base)] * len(values)  # type: ignore[union-attr]


def test_one_class_is_always_right() -> None:
    ones = torch.ones(4, 1)
    assert correct_counts(ones, ones, torch.zeros(4, dtype=torch.int64), [0.0, 1.0]).tolist() == [
        4, 4
    ]  # fmt: skip
