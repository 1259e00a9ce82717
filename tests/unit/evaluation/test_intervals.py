"""Intervals of accuracies, of differences, and of means over datasets."""

import re
from collections.abc import Callable
from math import comb, sqrt

import numpy as np
import pytest

from susx.evaluation.intervals import accuracy_interval, difference_interval, mean_interval
from tests.benchmarks import bench_coverage
from tests.measured import prose
from tests.pages import text_of

PAGE = "docs/statistics.md"
KINDS = {"accuracies": bench_coverage.accuracies, "differences": bench_coverage.differences}


def resampled(values: np.ndarray, seed: int = 1) -> list[float]:
    """95 % interval of the mean in percent, by drawing images with replacement."""
    random = np.random.default_rng(seed)
    means = [100 * values[random.integers(0, len(values), len(values))].mean() for _ in range(2000)]
    return [float(np.percentile(means, q)) for q in (2.5, 97.5)]


def drawn(seed: int, share: float, n: int = 800) -> np.ndarray:
    return np.random.default_rng(seed).random(n) < share


# Accuracies


@pytest.mark.parametrize("share", [0.05, 0.5, 0.93])
def test_accuracy_interval_is_that_of_resampled_images(share: float) -> None:
    correct = drawn(0, share)
    made = accuracy_interval(int(correct.sum()), len(correct))
    assert made == pytest.approx(resampled(correct), abs=0.5)


@pytest.mark.parametrize("n", [1, 2, 5, 18, 60])
def test_accuracy_interval_covers_the_true_accuracy_at_any_size(n: int) -> None:
    intervals = np.array([accuracy_interval(k, n) for k in range(n + 1)]) / 100
    for share in np.linspace(0, 1, 101):
        covered = (intervals[:, 0] <= share) & (share <= intervals[:, 1])
        weights = np.array([comb(n, k) * share**k * (1 - share) ** (n - k) for k in range(n + 1)])
        assert weights[covered].sum() >= 0.95


@pytest.mark.parametrize("n", [1, 18, 2000])
def test_interval_of_unanimous_outcomes_leaves_room_for_others(n: int) -> None:
    share = 0.025 ** (1 / n)  # of which n right images are as rare as the interval allows
    assert accuracy_interval(n, n) == pytest.approx([100 * share, 100], rel=1e-9)
    assert accuracy_interval(0, n) == pytest.approx([0, 100 * (1 - share)], rel=1e-9)


def test_interval_contains_the_accuracy_and_shrinks_with_more_images() -> None:
    widths = []
    for n in (50, 5000):
        low, high = accuracy_interval(7 * n // 10, n)
        assert low < 70 < high
        widths.append(high - low)
    assert widths[0] > 5 * widths[1]


# Differences


@pytest.mark.parametrize("n", [1, 5, 18, 60])
@pytest.mark.parametrize("gains", [(0.0, 0.0), (0.03, 0.0), (0.1, 0.1), (0.5, 0.1), (0.9, 0.0)])
def test_paired_interval_covers_the_true_difference_at_any_size(
    n: int, gains: tuple[float, float]
) -> None:
    """By drawing outcomes; `bench_coverage` sums over all of them."""
    corrected, broken = gains
    draws = np.random.default_rng(n).multinomial(n, [corrected, broken, 1 - sum(gains)], 200)
    found = [difference_interval(c, b, n) for c, b, _ in draws.tolist()]
    covered = [low <= 100 * (corrected - broken) <= high for low, high in found]
    # 0.95 less three standard errors of 200 draws.
    assert np.mean(covered) >= 0.95 - 3 * sqrt(0.95 * 0.05 / 200)


@pytest.mark.parametrize(("first", "second"), [(0.7, 0.6), (0.6, 0.6), (0.1, 0.9)])
def test_paired_interval_of_many_changes_is_that_of_resampled_pairs(
    first: float, second: float
) -> None:
    a, b = drawn(1, first), drawn(2, second)
    b[::2] = a[::2]
    made = difference_interval(int((a & ~b).sum()), int((b & ~a).sum()), len(a))
    assert made == pytest.approx(resampled(a.astype(float) - b.astype(float)), abs=0.5)


@pytest.mark.parametrize("n", [1, 18, 2000])
def test_without_a_change_the_interval_is_that_of_what_may_have_been_missed(n: int) -> None:
    """Up to 3.7 of n images may differ either way, by either end's 2.5 %: 1 - 0.025 ** (1 / n)."""
    missed = 100 * (1 - 0.025 ** (1 / n))
    assert difference_interval(0, 0, n) == pytest.approx([-missed, missed], rel=1e-9)


def test_classifiers_that_agree_differ_by_as_little_as_the_page_says() -> None:
    low, high = difference_interval(0, 0, 2000)
    assert f"of 2,000 images differ by {low:.1f} to {high:+.1f} points" in prose(PAGE)


def test_a_classifier_that_corrects_all_images_is_sure_of_its_sign_only() -> None:
    low, high = difference_interval(9, 0, 9)
    assert high == 100
    assert 0 < low < 100 * 0.025 ** (1 / 9)


@pytest.mark.parametrize("n", [1, 3, 9])
def test_intervals_of_all_outcomes_contain_their_difference_and_stay_in_bounds(n: int) -> None:
    for corrected in range(n + 1):
        for broken in range(n + 1 - corrected):
            low, high = difference_interval(corrected, broken, n)
            assert -100 <= low <= 100 * (corrected - broken) / n <= high <= 100
            mirrored = difference_interval(broken, corrected, n)
            assert mirrored == pytest.approx([-high, -low], rel=1e-12)


def test_pairing_makes_the_interval_of_similar_classifiers_narrow() -> None:
    low, high = difference_interval(5, 3, 800)
    alone = accuracy_interval(480, 800)
    assert high - low < (alone[1] - alone[0]) / 2


# Coverage


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("n", [n for n in bench_coverage.SIZES if n <= 50])
def test_the_page_has_the_coverage_that_is_computed(name: str, n: int) -> None:
    check_coverage(name, n)


@pytest.mark.long
@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("n", [n for n in bench_coverage.SIZES if n > 50])
def test_the_page_has_the_coverage_of_many_images(name: str, n: int) -> None:
    check_coverage(name, n)


def check_coverage(name: str, n: int) -> None:
    kind: Callable[..., object] = KINDS[name]
    assert kind
    intervals = {"accuracies": bench_coverage.ACCURACIES, "differences": bench_coverage.DIFFERENCES}
    listed = re.findall(rf"^\| {n:,} \| .+$", text_of(PAGE), re.MULTILINE)
    own = [row for row in listed if row.split(" | ")[1] in intervals[name]]
    of_kind = {"accuracies": own[:3], "differences": own[-4:]}
    assert list(bench_coverage.rows(KINDS[name], n)) == of_kind[name]


def test_intervals_here_cover_what_the_page_says() -> None:
    """95 % of all samples, but for differences of ten images or fewer: 93 %."""
    rows = re.findall(r"^\| ([\d,]+) \| .+\(here\) \| ([\d.]+) \| ", text_of(PAGE), re.MULTILINE)
    assert len(rows) == 2 * len(bench_coverage.SIZES)
    for n, least in rows:
        assert float(least) >= (93 if n == "10" else 95)


# Means


def test_the_interval_of_a_mean_is_that_of_drawn_datasets() -> None:
    """Three datasets, drawn again and again."""
    random = np.random.default_rng(0)
    true, sizes = np.array([0.97, 0.6, 0.5]), np.array([40, 200, 100])
    hits = 0
    for _ in range(400):
        counts = random.binomial(sizes, true)
        means = (100 * counts / sizes).tolist()
        ends = [accuracy_interval(int(k), int(n)) for k, n in zip(counts, sizes, strict=True)]
        low, high = mean_interval(means, ends)
        hits += low <= 100 * true.mean() <= high
    assert hits / 400 >= 0.95 - 3 * sqrt(0.95 * 0.05 / 400)
    assert hits < 400


def test_the_mean_of_one_value_has_its_interval_and_of_four_alike_half_of_it() -> None:
    own = accuracy_interval(9, 10)
    assert mean_interval([90.0], [own]) == pytest.approx(own, rel=1e-12)
    low, high = mean_interval([90.0] * 4, [own] * 4)
    assert [90 - low, high - 90] == pytest.approx([(90 - own[0]) / 2, (own[1] - 90) / 2], rel=1e-12)
