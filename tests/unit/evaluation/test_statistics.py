"""Accuracies and their uncertainty."""

import json
from math import comb, sqrt
from typing import Any

import numpy as np
import pytest

from susx.core.rounding import decimal
from susx.evaluation.statistics import (
    PairCounts,
    accuracy_interval,
    changed_pairs,
    mean_per_class,
    paired_difference,
    per_class_accuracy,
    percent,
    seed_spread,
)
from tests.closeness import stored

SAMPLES = 4000


def outcomes(seed: int, share: float, n: int = 800) -> np.ndarray:
    return np.random.default_rng(seed).random(n) < share


def correct_of(k: int, n: int) -> np.ndarray:
    return np.arange(n) < k


def resampled(values: np.ndarray, seed: int = 1) -> list[float]:
    """95 % interval of the mean in percent, by drawing images with replacement."""
    random = np.random.default_rng(seed)
    means = [100 * values[random.integers(0, len(values), len(values))].mean() for _ in range(2000)]
    return [float(np.percentile(means, q)) for q in (2.5, 97.5)]


@pytest.mark.parametrize("share", [0.05, 0.5, 0.93])
def test_accuracy_interval_is_that_of_resampled_images(share: float) -> None:
    correct = outcomes(0, share)
    assert accuracy_interval(correct) == pytest.approx(resampled(correct), abs=0.5)


@pytest.mark.parametrize("n", [1, 2, 5, 18, 60])
def test_accuracy_interval_covers_the_true_accuracy_at_any_size(n: int) -> None:
    intervals = np.array([accuracy_interval(correct_of(k, n)) for k in range(n + 1)]) / 100
    for share in np.linspace(0, 1, 101):
        covered = (intervals[:, 0] <= share) & (share <= intervals[:, 1])
        weights = np.array([comb(n, k) * share**k * (1 - share) ** (n - k) for k in range(n + 1)])
        assert weights[covered].sum() >= 0.95


@pytest.mark.parametrize("n", [1, 5, 18, 60])
@pytest.mark.parametrize("gains", [(0.0, 0.0), (0.03, 0.0), (0.1, 0.1), (0.5, 0.1), (0.9, 0.0)])
def test_paired_interval_covers_the_true_difference_at_any_size(
    n: int, gains: tuple[float, float]
) -> None:
    random = np.random.default_rng(n)
    corrected, broken = gains
    draws = random.multinomial(n, [corrected, broken, 1 - corrected - broken], 200)
    found = {
        (c, b): paired_difference(*pair(c, b, n), 1000, 0)["ci95"]
        for c, b in {(int(c), int(b)) for c, b, _ in draws}
    }
    hits = [found[c, b] for c, b, _ in draws.tolist()]
    covered = [low <= 100 * (corrected - broken) <= high for low, high in hits]
    # 0.95 less three standard errors of 200 draws.
    assert np.mean(covered) >= 0.95 - 3 * sqrt(0.95 * 0.05 / 200)


@pytest.mark.parametrize(("first", "second"), [(0.7, 0.6), (0.6, 0.6), (0.1, 0.9)])
def test_paired_interval_is_that_of_resampled_pairs(first: float, second: float) -> None:
    a, b = outcomes(1, first), outcomes(2, second)
    b[::2] = a[::2]
    made = paired_difference(a, b, SAMPLES, 0)
    assert made["mean"] == pytest.approx(100 * (a.mean() - b.mean()), abs=stored(3))
    expected = resampled(a.astype(float) - b.astype(float))
    assert made["ci95"] == pytest.approx(expected, abs=0.5)


def test_pairing_makes_the_interval_of_similar_classifiers_narrow() -> None:
    a = outcomes(3, 0.6)
    b = a.copy()
    b[:8] = ~b[:8]
    low, high = paired_difference(a, b, SAMPLES, 0)["ci95"]
    alone = accuracy_interval(a)
    assert high - low < (alone[1] - alone[0]) / 2


def test_interval_contains_the_accuracy_and_shrinks_with_more_images() -> None:
    few, many = outcomes(4, 0.7, 50), outcomes(4, 0.7, 5000)
    widths = []
    for correct in (few, many):
        low, high = accuracy_interval(correct)
        assert low < 100 * correct.mean() < high
        widths.append(high - low)
    assert widths[0] > 5 * widths[1]


@pytest.mark.parametrize("n", [1, 18, 2000])
def test_interval_of_unanimous_outcomes_leaves_room_for_others(n: int) -> None:
    share = 0.025 ** (1 / n)  # of which n right images are as rare as the interval allows
    assert accuracy_interval(correct_of(n, n)) == pytest.approx([100 * share, 100], rel=1e-9)
    assert accuracy_interval(correct_of(0, n)) == pytest.approx([0, 100 * (1 - share)], rel=1e-9)


def test_difference_of_equal_classifiers_is_zero_within_what_few_images_show() -> None:
    widths = []
    for n in (18, 1800):
        correct = outcomes(5, 0.5, n)
        made = paired_difference(correct, correct, SAMPLES, 0)
        low, high = made.pop("ci95")
        assert made == {"mean": 0.0, "corrected": 0, "broken": 0, "mcnemar_p": 1.0}
        assert low < 0 < high
        widths.append(high - low)
    assert widths[0] > 50 * widths[1]


def test_difference_changes_sign_with_its_order() -> None:
    a, b = outcomes(6, 0.8), outcomes(7, 0.5)
    one, other = paired_difference(a, b, 9, 0), paired_difference(b, a, 9, 0)
    assert one["mean"] == -other["mean"]
    assert (one["corrected"], one["broken"]) == (other["broken"], other["corrected"])
    assert one["mcnemar_p"] == other["mcnemar_p"]


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
    made = paired_difference(*pair(corrected, broken), 10, 0)
    assert (made["corrected"], made["broken"]) == (corrected, broken)
    n, least = corrected + broken, min(corrected, broken)
    tail = sum(comb(n, k) for k in range(least + 1)) / 2**n
    assert made["mcnemar_p"] == pytest.approx(min(1.0, 2 * tail), rel=1e-9)


def test_differences_can_be_written_as_json() -> None:
    made = paired_difference(*pair(9, 2), 10, 0)
    assert json.loads(json.dumps(made)) == made


def test_intervals_are_the_same_for_a_seed_and_for_any_order_of_images() -> None:
    a, b = outcomes(8, 0.7), outcomes(9, 0.6)
    order = np.random.default_rng(0).permutation(len(a))
    assert accuracy_interval(a) == accuracy_interval(a[order])
    assert paired_difference(a, b, SAMPLES, 3) == paired_difference(a[order], b[order], SAMPLES, 3)
    one, other = (paired_difference(a, b, 100, seed) for seed in (3, 4))
    assert one["ci95"] != other["ci95"]


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
