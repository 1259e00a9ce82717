"""Tip-Adapter and TIP-X against plain loops."""

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
import torch

from susx.methods import METHODS, Context, Images
from susx.methods.base import row_blocks
from susx.methods.growing import grown
from susx.methods.tip_x import TEMPERATURE, affinity_penalty, rescaling
from susx.methods.votes import TILE_ELEMENTS
from tests.closeness import assert_close, random_walk
from tests.helpers import Problem, make_problem

Matrix = list[list[float]]
BALANCED, UNBALANCED = (3, 3, 3, 3), (4, 1, 3, 2, 6)


def products(a: np.ndarray, b: np.ndarray) -> Matrix:
    """Dot products of all rows."""
    return [
        [math.fsum(float(x) * float(y) for x, y in zip(r, s, strict=True)) for s in b] for r in a
    ]


def softmax(row: list[float]) -> list[float]:
    powers = [math.exp(value) for value in row]
    return [power / math.fsum(powers) for power in powers]


def affinities(problem: Problem) -> Matrix:
    """S: divergences of class distributions, mapped to the range of the cosines."""

    def distributions(features: np.ndarray) -> Matrix:
        return [softmax([x / 0.5 for x in row]) for row in products(features, problem.text)]

    def divergence(p: list[float], q: list[float]) -> float:
        return math.fsum(a * math.log(a / b) for a, b in zip(p, q, strict=True))

    support = distributions(problem.support)
    divergences = [[divergence(p, q) for q in support] for p in distributions(problem.images)]
    cosines = [value for row in products(problem.images, problem.support) for value in row]
    flat = [value for row in divergences for value in row]
    low, high, nearest, farthest = min(cosines), max(cosines), min(flat), max(flat)
    return [
        [low + (value - nearest) / (farthest - nearest) * (high - low) for value in row]
        for row in divergences
    ]


def expected_logits(
    problem: Problem, scale: float, alpha: float, beta: float, gamma: float = 0.0
) -> Matrix:
    logits = [[scale * value for value in row] for row in products(problem.images, problem.text)]
    cosines = products(problem.images, problem.support)
    penalties = affinities(problem)
    for i, row in enumerate(logits):
        for j, label in enumerate(problem.support_labels):
            row[label] += alpha * math.exp(-beta * (1 - cosines[i][j])) - gamma * penalties[i][j]
    return logits


def context(problem: Problem, scale: float = 100.0, dtype: torch.dtype = torch.float64) -> Context:
    return Context(
        torch.from_numpy(problem.text).to(dtype),
        scale,
        torch.from_numpy(problem.support).to(dtype),
        torch.from_numpy(problem.support_labels),
    )


def images(problem: Problem, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.from_numpy(problem.images).to(dtype)


# Affinities are at most 1, but differences of logarithms of up to 4, stretched up to 1.5 times.
AFFINITY = 6
PRECISIONS = pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["f64", "f32"])
SUPPORTS = pytest.mark.parametrize("support", [BALANCED, UNBALANCED], ids=["equal", "unequal"])


@SUPPORTS
@PRECISIONS
@pytest.mark.parametrize("scale", [100.0, 17.5])
def test_tip_adapter_equals_plain_loops(
    support: tuple[int, ...], dtype: torch.dtype, scale: float
) -> None:
    problem = make_problem(1, support=support)
    values = {"alpha": 2.5, "beta": 5.5}
    made = METHODS["tip-adapter"].fit(context(problem, scale, dtype), values)
    found = made.logits(Images(images(problem, dtype)))
    assert_close(found, expected_logits(problem, scale, **values), random_walk(8 + 16))


@SUPPORTS
@PRECISIONS
@pytest.mark.parametrize("scale", [100.0, 17.5])
def test_tip_x_equals_plain_loops(
    support: tuple[int, ...], dtype: torch.dtype, scale: float
) -> None:
    problem = make_problem(2, support=support)
    values = {"alpha": 2.5, "beta": 5.5, "gamma": 3.0}
    made = METHODS["tip-x"].fit(context(problem, scale, dtype), values)
    found = made.logits(Images(images(problem, dtype)))
    size = scale + 3.0 * AFFINITY * max(support)
    assert_close(found, expected_logits(problem, scale, **values), random_walk(8 + 16), size)


@SUPPORTS
def test_affinity_penalty_sums_the_affinities_of_every_class(support: tuple[int, ...]) -> None:
    problem = make_problem(3, support=support)
    expected = np.zeros((len(problem.images), len(support)))
    for j, label in enumerate(problem.support_labels):
        for i, row in enumerate(affinities(problem)):
            expected[i, label] += row[j]
    penalty = affinity_penalty(context(problem), images(problem))
    assert_close(penalty, expected, random_walk(8 + 5), scale=AFFINITY * max(support))


def test_a_class_without_support_gets_the_mean_penalty_of_the_others() -> None:
    problem = make_problem(3, support=(4, 0, 3, 2, 6))
    expected = np.zeros((len(problem.images), 5))
    for j, label in enumerate(problem.support_labels):
        expected[:, label] += [row[j] for row in affinities(problem)]
    expected[:, 1] = expected[:, [0, 2, 3, 4]].mean(axis=1)
    penalty = affinity_penalty(context(problem), images(problem))
    assert_close(penalty, expected, random_walk(8 + 5), scale=AFFINITY * 6)


def test_temperature_is_the_published_one() -> None:
    assert TEMPERATURE == 0.5


@pytest.mark.parametrize("rows", [slice(None), slice(0, 7), slice(7, 23)])
def test_affinities_are_mapped_with_the_range_of_their_own_matrix(rows: slice) -> None:
    problem = make_problem(4, support=(1, 1, 1, 1, 1))
    features = images(problem)[rows]
    penalty = affinity_penalty(context(problem), features)
    cosines = features @ context(problem).required_support.T
    assert_close(penalty.min(), cosines.min(), random_walk(5), scale=AFFINITY)
    assert_close(penalty.max(), cosines.max(), random_walk(5), scale=AFFINITY)


def test_a_support_image_nearer_in_class_distribution_is_penalised_less() -> None:
    problem = make_problem(5, support=(1, 1, 1))
    features = context(problem).required_support[:1]
    penalty = affinity_penalty(context(problem), features)[0]
    assert penalty.argmin().item() == problem.support_labels[0]


def test_equal_divergences_carry_no_information() -> None:
    text = torch.eye(3, dtype=torch.float64)
    support = text[[0, 0, 0]]
    made = affinity_penalty(Context(text, 100.0, support, torch.tensor([0, 1, 2])), text[[1]])
    assert made.tolist() == [[0.0, 0.0, 0.0]]


@pytest.mark.parametrize("method", ["tip-adapter", "tip-x"])
@pytest.mark.parametrize("elements", [1, 16, 40, 10**9])
def test_block_size_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, method: str, elements: int
) -> None:
    problem = make_problem(6)
    made = METHODS[method].fit(context(problem), METHODS[method].fixed)
    whole = made.logits(Images(images(problem)))
    monkeypatch.setattr("susx.methods.base.BLOCK_ELEMENTS", elements)
    monkeypatch.setitem(TILE_ELEMENTS, "cpu", elements)
    assert_close(made.logits(Images(images(problem))), whole, random_walk(8 + 16))


@pytest.mark.parametrize("method", ["tip-adapter", "tip-x", "ape", "gda"])
@pytest.mark.parametrize("elements", [1, 10, 10**9])
def test_a_support_set_that_grows_gives_what_a_new_fit_gives(
    monkeypatch: pytest.MonkeyPatch, method: str, elements: int
) -> None:
    monkeypatch.setattr("susx.methods.base.BLOCK_ELEMENTS", elements)
    for module in ("tip_adapter", "ape"):
        monkeypatch.setattr(f"susx.methods.{module}.SUPPORT_ROWS", 3)
    problem = make_problem(7, support=UNBALANCED)
    where, shown = context(problem), Images(images(problem))
    parts = [torch.tensor(part) for part in ([15, 2, 7], [0], [1, 3, 4, 5, 6, 8, 9, 10, 14])]
    values = METHODS[method].fixed
    made = torch.full((len(parts), len(shown), where.n_classes), torch.nan, dtype=torch.float64)
    constants: list[Mapping[str, torch.Tensor]] = [{}] * len(parts)
    for found in grown(METHODS[method].fit(where, values), shown, parts):
        assert made[found.n_parts - 1, found.rows].isnan().all()  # each comes once
        made[found.n_parts - 1, found.rows] = found.logits
        constants[found.n_parts - 1] = found.constants
    for n_parts, (logits, known) in enumerate(zip(made, constants, strict=True), 1):
        kept = torch.cat(parts[:n_parts])
        labels = where.required_labels[kept]
        some = replace(where, support=where.required_support[kept], support_labels=labels)
        assert_close(logits, METHODS[method].fit(some, values).logits(shown), random_walk(8 + 16))
        assert (method == "tip-x") == bool(known)
        for name, constant in known.items():
            # The slope divides by the range of D, whose ends are exact to a rounding of 1.
            expected = calibrated(some, shown.features).constants[name]
            assert_close(constant, expected, random_walk(8 + 16), scale=float(expected[1]) ** 2)


@pytest.mark.parametrize("method", ["tip-adapter", "tip-x"])
@pytest.mark.parametrize(("support", "n"), [((6,), 3), ((3, 3, 3), 1)], ids=["class", "image"])
def test_a_support_set_grows_with_one_class_or_one_image(
    method: str, support: tuple[int, ...], n: int
) -> None:
    problem = make_problem(9, n=n, support=support)
    where, shown, values = context(problem), Images(images(problem)), METHODS[method].fixed
    places = torch.arange(len(where.required_labels))
    for found in grown(METHODS[method].fit(where, values), shown, places.split(2)):
        some = slice(0, 2 * found.n_parts)
        support_of = {"support": where.required_support, "support_labels": where.required_labels}
        known = replace(where, **{name: rows[some] for name, rows in support_of.items()})
        expected = METHODS[method].fit(known, values).logits(shown)
        assert_close(found.logits, expected, random_walk(8 + 9))


@pytest.mark.parametrize("n_rows", [0, 1, 5, 6, 7])
def test_row_blocks_cover_every_row_once(monkeypatch: pytest.MonkeyPatch, n_rows: int) -> None:
    monkeypatch.setattr("susx.methods.base.BLOCK_ELEMENTS", 10)
    covered = [row for block in row_blocks(n_rows, 4) for row in range(n_rows)[block]]
    assert covered == list(range(n_rows))
    assert all(block.stop - block.start <= 2 for block in row_blocks(n_rows, 4))


@pytest.mark.parametrize(
    ("method", "name", "values"),
    [
        ("tip-adapter", "alpha", [0.1 + i * 49.9 / 20 for i in range(20)]),
        ("tip-adapter", "beta", [0.1 + i * 49.9 / 200 for i in range(200)]),
        ("tip-x", "alpha", [0.1 + i * 49.9 / 20 for i in range(20)]),
        ("tip-x", "beta", [1 + i * 49 / 200 for i in range(200)]),
        ("tip-x", "gamma", [0.1 + i * 29.9 / 50 for i in range(50)]),
    ],
)
def test_grids_are_the_published_ones(method: str, name: str, values: list[float]) -> None:
    assert METHODS[method].grid[name].values(100.0) == pytest.approx(values)


def calibrated(where: Context, rows: torch.Tensor) -> Context:
    """The context with what TIP-X takes from other images than those that it classifies."""
    method = METHODS["tip-x"]
    assert method.calibrate
    return replace(where, constants=method.calibrate(where, Images(rows)))


def test_calibration_changes_no_prediction_for_a_balanced_support_but_by_its_slope() -> None:
    problem = make_problem(8, n=60, support=(3, 3, 3, 3))
    where, rows = context(problem), images(problem)
    support = where.required_support
    ratio = float(rescaling(where, rows).slope / rescaling(where, support).slope)
    assert ratio != pytest.approx(1, abs=0.01)
    differ = 0
    for gamma in (0.5, 5.0, 30.0):
        values = {"alpha": 2.0, "beta": 4.0}
        published = METHODS["tip-x"].fit(where, {**values, "gamma": gamma}).logits(Images(rows))
        deployed = METHODS["tip-x"].fit(
            calibrated(where, support), {**values, "gamma": gamma * ratio}
        )
        shift = deployed.logits(Images(rows)) - published
        size = 100 + gamma * AFFINITY * 3
        assert_close(shift, shift[:, :1].expand_as(shift), random_walk(8 + 5), size)
        assert torch.equal((shift + published).argmax(dim=1), published.argmax(dim=1))
        zero_shot = 100 * rows @ where.text.T
        differ += int((published.argmax(dim=1) != zero_shot.argmax(dim=1)).sum())
    assert differ
