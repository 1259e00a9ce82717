"""Accuracies and their uncertainty."""

import numpy as np
import pytest

from susx.statistics import accuracy_interval, paired_difference, per_class_accuracy

SAMPLES = 4000


def outcomes(seed: int, share: float, n: int = 800) -> np.ndarray:
    return np.random.default_rng(seed).random(n) < share


def resampled(values: np.ndarray, seed: int = 1) -> list[float]:
    """95 % interval of the mean in percent, by drawing images with replacement."""
    random = np.random.default_rng(seed)
    means = [100 * values[random.integers(0, len(values), len(values))].mean() for _ in range(2000)]
    return [float(np.percentile(means, q)) for q in (2.5, 97.5)]


@pytest.mark.parametrize("share", [0.05, 0.5, 0.93])
def test_accuracy_interval_is_that_of_resampled_images(share: float) -> None:
    correct = outcomes(0, share)
    assert accuracy_interval(correct, SAMPLES, 0) == pytest.approx(resampled(correct), abs=0.5)


@pytest.mark.parametrize(("first", "second"), [(0.7, 0.6), (0.6, 0.6), (0.1, 0.9)])
def test_paired_interval_is_that_of_resampled_pairs(first: float, second: float) -> None:
    a, b = outcomes(1, first), outcomes(2, second)
    b[::2] = a[::2]
    made = paired_difference(a, b, SAMPLES, 0)
    assert made["mean"] == pytest.approx(100 * (a.mean() - b.mean()), abs=5e-4)
    expected = resampled(a.astype(float) - b.astype(float))
    assert made["ci95"] == pytest.approx(expected, abs=0.5)


def test_pairing_makes_the_interval_of_similar_classifiers_narrow() -> None:
    a = outcomes(3, 0.6)
    b = a.copy()
    b[:8] = ~b[:8]
    low, high = paired_difference(a, b, SAMPLES, 0)["ci95"]  # type: ignore[misc]
    alone = accuracy_interval(a, SAMPLES, 0)
    assert high - low < (alone[1] - alone[0]) / 2


def test_interval_contains_the_accuracy_and_shrinks_with_more_images() -> None:
    few, many = outcomes(4, 0.7, 50), outcomes(4, 0.7, 5000)
    widths = []
    for correct in (few, many):
        low, high = accuracy_interval(correct, SAMPLES, 0)
        assert low < 100 * correct.mean() < high
        widths.append(high - low)
    assert widths[0] > 5 * widths[1]


@pytest.mark.parametrize(("value", "interval"), [(True, [100.0, 100.0]), (False, [0.0, 0.0])])
def test_interval_of_unanimous_outcomes_is_a_point(value: bool, interval: list[float]) -> None:
    assert accuracy_interval(np.full(20, value), SAMPLES, 0) == interval


def test_difference_of_a_classifier_to_itself_is_exactly_zero() -> None:
    correct = outcomes(5, 0.5)
    assert paired_difference(correct, correct, SAMPLES, 0) == {"mean": 0.0, "ci95": [0.0, 0.0]}


def test_difference_changes_sign_with_its_order() -> None:
    a, b = outcomes(6, 0.8), outcomes(7, 0.5)
    assert paired_difference(a, b, 9, 0)["mean"] == -paired_difference(b, a, 9, 0)["mean"]  # type: ignore[operator]


def test_intervals_are_the_same_for_a_seed_and_for_any_order_of_images() -> None:
    a, b = outcomes(8, 0.7), outcomes(9, 0.6)
    order = np.random.default_rng(0).permutation(len(a))
    assert accuracy_interval(a, SAMPLES, 3) == accuracy_interval(a[order], SAMPLES, 3)
    assert paired_difference(a, b, SAMPLES, 3) == paired_difference(a[order], b[order], SAMPLES, 3)
    assert accuracy_interval(a, 100, 3) != accuracy_interval(a, 100, 4)


def test_per_class_accuracy_counts_every_class_and_skips_absent_ones() -> None:
    correct = np.array([True, False, True, True, False, False])
    labels = np.array([2, 2, 0, 2, 3, 3])
    assert per_class_accuracy(correct, labels, 5) == [100.0, None, 66.667, 0.0, None]


def test_per_class_accuracy_can_be_written_as_json() -> None:
    made = per_class_accuracy(np.array([True]), np.array([0]), 2)
    assert [type(value) for value in made] == [float, type(None)]
