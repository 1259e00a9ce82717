"""Accuracies of classes and seeds, and tests of differences."""

import json
from math import comb, sqrt
from typing import Any

import numpy as np
import pytest

from susx.core.rounding import decimal
from susx.evaluation.intervals import percent
from susx.evaluation.statistics import (
    PairCounts,
    changed_pairs,
    holm,
    mean_per_class,
    paired_difference,
    per_class_accuracy,
    seed_spread,
)
from tests.closeness import stored


def outcomes(seed: int, share: float, n: int = 800) -> np.ndarray:
    return np.random.default_rng(seed).random(n) < share


def test_difference_of_equal_classifiers_is_zero_within_what_few_images_show() -> None:
    widths = []
    for n in (18, 1800):
        correct = outcomes(5, 0.5, n)
        made = paired_difference(correct, correct)
        low, high = made.pop("ci95")
        assert made == {"mean": 0.0, "corrected": 0, "broken": 0, "mcnemar_p": 1.0}
        assert low < 0 < high
        widths.append(high - low)
    assert widths[0] > 50 * widths[1]


def test_difference_changes_sign_with_its_order() -> None:
    a, b = outcomes(6, 0.8), outcomes(7, 0.5)
    one, other = paired_difference(a, b), paired_difference(b, a)
    assert one["mean"] == -other["mean"]
    assert one["ci95"] == [-end for end in reversed(other["ci95"])]
    assert (one["corrected"], one["broken"]) == (other["broken"], other["corrected"])
    assert one["mcnemar_p"] == other["mcnemar_p"]


def test_the_order_of_images_changes_nothing() -> None:
    a, b = outcomes(8, 0.7), outcomes(9, 0.6)
    order = np.random.default_rng(0).permutation(len(a))
    assert paired_difference(a, b) == paired_difference(a[order], b[order])


def pair(corrected: int, broken: int, n: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """Two classifiers, the rest right and wrong alike, in mixed order."""
    rest = n - corrected - broken
    run = [True] * corrected + [False] * broken + [i % 3 > 0 for i in range(rest)]
    reference = [False] * corrected + [True] * broken + [i % 3 > 0 for i in range(rest)]
    order = np.random.default_rng(0).permutation(n)
    return np.array(run)[order], np.array(reference)[order]


@pytest.mark.parametrize(
    ("corrected", "broken"), [(1, 0), (0, 1), (5, 5), (9, 2), (2, 9), (20, 0), (31, 12), (0, 0)]
)
def test_mcnemar_is_the_two_sided_binomial_test_of_the_changed_images(
    corrected: int, broken: int
) -> None:
    made = paired_difference(*pair(corrected, broken))
    assert (made["corrected"], made["broken"]) == (corrected, broken)
    n, least = corrected + broken, min(corrected, broken)
    tail = sum(comb(n, k) for k in range(least + 1)) / 2**n
    assert made["mcnemar_p"] == pytest.approx(min(1.0, 2 * tail), rel=1e-9)


def test_differences_can_be_written_as_json() -> None:
    made = paired_difference(*pair(9, 2))
    assert json.loads(json.dumps(made)) == made


# Several tests at once


@pytest.mark.parametrize(
    ("p_values", "adjusted"),
    [
        ([], []),
        ([0.03], [0.03]),
        ([0.01, 0.04, 0.03], [0.03, 0.06, 0.06]),
        ([0.04, 0.01, 0.02], [0.04, 0.03, 0.04]),
        ([0.5, 0.5], [1.0, 1.0]),
        ([0.001, 0.001, 0.9], [0.003, 0.003, 0.9]),
    ],
)
def test_holm_counts_the_least_p_value_most(p_values: list[float], adjusted: list[float]) -> None:
    assert holm(p_values) == pytest.approx(adjusted, rel=1e-12)


def test_holm_rejects_what_its_steps_reject() -> None:
    random = np.random.default_rng(0)
    for _ in range(200):
        p_values = (random.random(random.integers(1, 30)) ** 6).tolist()
        rejected, left = set(), sorted(range(len(p_values)), key=lambda i: p_values[i])
        while left and p_values[left[0]] <= 0.05 / len(left):
            rejected.add(left.pop(0))
        assert {i for i, p in enumerate(holm(p_values)) if p <= 0.05} == rejected


def test_false_alarms_of_a_whole_table_are_as_rare_as_of_one_row() -> None:
    """Of 60 rows that differ from the reference by chance alone, none may be found to differ."""
    random, n_tables, n_rows, n = np.random.default_rng(1), 100, 60, 100
    alarms = 0
    for _ in range(n_tables):
        reference = random.random(n) < 0.7
        p_values = []
        for _ in range(n_rows):
            flipped = reference ^ (random.random(n) < 0.1) & (random.random(n) < 0.5)
            one, other = (flipped, reference) if random.random() < 0.5 else (reference, flipped)
            swap = random.random(n) < 0.5  # corrected and broken images are equally many
            first, second = np.where(swap, one, other), np.where(swap, other, one)
            p_values.append(paired_difference(first, second)["mcnemar_p"])
        alarms += min(holm(p_values)) < 0.05
        assert min(p_values) <= min(holm(p_values))
    # 0.05, and three standard errors of as many tables.
    assert alarms / n_tables <= 0.05 + 3 * sqrt(0.05 * 0.95 / n_tables)


# Classes


def test_per_class_accuracy_counts_every_class_and_skips_absent_ones() -> None:
    correct = np.array([True, False, True, True, False, False])
    labels = np.array([2, 2, 0, 2, 3, 3])
    assert per_class_accuracy(correct, labels, 5) == [100.0, None, 200 / 3, 0.0, None]


@pytest.mark.parametrize(
    ("values", "mean"),
    [([80.0, 60.0, 100.0], 80.0), ([80.0, None, 60.0], None), ([None], None), ([50.0], 50.0)],
)
def test_mean_per_class_is_unknown_if_that_of_a_class_is(
    values: list[float | None], mean: float | None
) -> None:
    assert mean_per_class(values) == mean


@pytest.mark.parametrize(
    ("count", "n", "text"),
    [
        (1707, 2000, "85.4"),
        (1683, 2000, "84.2"),
        (1, 2000, "0.1"),
        (1706999, 2000000, "85.3"),
        (1, 3, "33.3"),
        (2, 3, "66.7"),
        (7, 7, "100.0"),
        (0, 7, "0.0"),
    ],
)
def test_percentages_of_counts_are_rounded_as_on_paper(count: int, n: int, text: str) -> None:
    assert decimal(percent(count, n)) == text


def test_any_count_in_percent_is_rounded_half_up() -> None:
    for n in (40, 2000, 3669, 10000):
        for count in range(0, n + 1, 7 if n > 1000 else 1):
            tenths = (2000 * count + n) // (2 * n)
            assert decimal(percent(count, n)) == f"{tenths // 10}.{tenths % 10}"


@pytest.mark.parametrize(
    ("value", "places", "text"),
    [(0.25, 1, "+0.3"), (-0.25, 1, "-0.3"), (0.04, 1, "+0.0"), (1.005, 2, "+1.01"), (2.5, 0, "+3")],
)
def test_halves_are_rounded_away_from_zero(value: float, places: int, text: str) -> None:
    assert decimal(value, places, sign=True) == text


def test_per_class_accuracy_can_be_written_as_json() -> None:
    made = per_class_accuracy(np.array([True]), np.array([0]), 2)
    assert [type(value) for value in made] == [float, type(None)]


# Confusions


def counted(
    labels: np.ndarray, predicted: np.ndarray, before: np.ndarray
) -> dict[tuple[int, int], tuple[int, int]]:
    """Confusions whose number changed, counted image by image."""
    found = {}
    for true in range(9):
        for other in range(9):
            then = sum(1 for y, p in zip(labels, before, strict=True) if (y, p) == (true, other))
            now = sum(1 for y, p in zip(labels, predicted, strict=True) if (y, p) == (true, other))
            if true != other and then != now:
                found[true, other] = (then, now)
    return found


@pytest.mark.parametrize("seed", range(4))
def test_changed_pairs_are_those_of_a_plain_count(seed: int) -> None:
    random = np.random.default_rng(seed)
    labels, predicted, before = (random.integers(0, 4 + seed, 120) for _ in range(3))
    expected = counted(labels, predicted, before)
    made = changed_pairs(labels, predicted, before, 1000)
    assert {(p.true, p.predicted): (p.before, p.now) for p in made} == expected
    assert len(made) == len(expected) > 5
    order = [(-abs(p.now - p.before), p.true, p.predicted) for p in made]
    assert order == sorted(order)
    assert changed_pairs(labels, predicted, before, 3) == made[:3]


def test_right_images_and_unchanged_confusions_are_no_changed_pairs() -> None:
    labels, before = np.array([0, 0, 1, 1, 2]), np.array([1, 0, 0, 1, 2])
    assert changed_pairs(labels, before, before, 10) == []
    assert changed_pairs(labels, labels, before, 10) == [
        PairCounts(0, 1, 1, 0), PairCounts(1, 0, 1, 0)
    ]  # fmt: skip


def test_changed_pairs_of_nothing_are_none() -> None:
    none = np.zeros(0, np.int64)
    assert changed_pairs(none, none, none, 10) == []


# Seeds


def row(seed: int | None, top1: float, **changes: Any) -> dict[str, Any]:
    names = {
        "encoder": "clip", "method": "tip-x", "text": "photo", "support": "few",
        "protocol": "fixed", "tuned_on": "nothing", "support_size": 12,
    }  # fmt: skip
    return {**names, "seed": seed, "top1": top1, "correct": 3, **changes}


def test_spread_is_mean_and_sample_deviation_over_the_seeds() -> None:
    values = [61.2, 58.0, 64.75, 60.1]
    (made,) = seed_spread([row(seed, top1) for seed, top1 in enumerate(values)])
    centre = sum(values) / 4
    deviation = sqrt(sum((value - centre) ** 2 for value in values) / 3)
    assert made.pop("top1_mean") == pytest.approx(centre, abs=stored(3))
    assert made.pop("top1_std") == pytest.approx(deviation, abs=stored(3))
    assert made.pop("n_seeds") == 4
    assert made == {name: row(0, 0)[name] for name in made}
    assert len(made) == 7


def test_a_single_seed_has_no_deviation() -> None:
    (made,) = seed_spread([row(7, 50.0)])
    assert (made["n_seeds"], made["top1_mean"], made["top1_std"]) == (1, 50.0, None)


@pytest.mark.parametrize("name", ["encoder", "method", "text", "support", "protocol", "tuned_on"])
def test_rows_are_grouped_by_all_that_names_them_but_the_seed(name: str) -> None:
    rows = [row(0, 10.0), row(0, 20.0, **{name: "other"}), row(1, 30.0)]
    made = seed_spread(rows)
    assert [(spread["n_seeds"], spread["top1_mean"]) for spread in made] == [(2, 20.0), (1, 20.0)]
    assert made[1][name] == "other"


def test_rows_without_a_seed_have_no_spread() -> None:
    assert seed_spread([row(None, 50.0), row(None, 60.0)]) == []
