"""Ranks over datasets, against a plain count and published values."""

import itertools

import numpy as np
import pytest

from susx.evaluation.ranks import mean_ranks, signed_rank_p


def test_ranks_are_the_mean_places_of_every_dataset() -> None:
    accuracies = np.array([[90.0, 50.0, 70.0], [80.0, 60.0, 70.0], [70.0, 40.0, 10.0]])
    assert mean_ranks(accuracies).ranks == pytest.approx([(1 + 2 + 1.5) / 3, (2 + 1 + 1.5) / 3, 3])


@pytest.mark.parametrize(("k", "q"), [(3, 2.343), (5, 2.728), (10, 3.164)])
def test_the_critical_difference_is_that_of_published_tables(k: int, q: float) -> None:
    """Table 5(a) of Demsar (2006) has q to three places."""
    accuracies = np.random.default_rng(0).random((k, 14))
    expected = q * np.sqrt(k * (k + 1) / (6 * 14))
    assert mean_ranks(accuracies).critical_difference == pytest.approx(expected, rel=5e-4)


def test_friedman_tells_a_steady_order_from_chance_and_from_equality() -> None:
    random = np.random.default_rng(0)
    base = random.random(12)
    steady = np.stack([base, base + 0.1, base + 0.2])
    assert mean_ranks(steady).friedman_p < 1e-4
    assert mean_ranks(random.random((3, 12))).friedman_p > 0.05
    assert mean_ranks(np.stack([base] * 4)).friedman_p == 1
    assert mean_ranks(np.stack([base] * 4)).ranks == [2.5] * 4


def test_friedman_of_few_datasets_is_that_of_its_formula() -> None:
    accuracies = np.array([[3.0, 3.0, 2.0, 3.0], [2.0, 1.0, 3.0, 2.0], [1.0, 2.0, 1.0, 1.0]])
    sums = [5, 8, 11]  # of ranks: 1 + 1 + 2 + 1, and so on
    statistic = 12 / (4 * 3 * 4) * sum(total**2 for total in sums) - 3 * 4 * 4
    # The chi-squared distribution with two degrees of freedom is exponential.
    assert mean_ranks(accuracies).friedman_p == pytest.approx(np.exp(-statistic / 2), rel=1e-9)


def plain_p(differences: list[float]) -> float:
    """Two-sided p of the signed-rank test, by all signs."""
    sizes = np.abs(differences)
    ranks = np.array([(sizes < s).sum() + ((sizes == s).sum() + 1) / 2 for s in sizes])
    signs = np.array(list(itertools.product((0, 1), repeat=len(ranks))))
    sums, own = signs @ ranks, ranks[np.array(differences) > 0].sum()
    tails = (sums <= own).mean(), (sums >= own).mean()
    return float(min(1.0, 2 * min(tails)))


@pytest.mark.parametrize("n", [2, 5, 6, 11])
def test_signed_ranks_are_those_of_all_signs(n: int) -> None:
    for seed in range(5):
        differences = np.random.default_rng(seed).normal(0.4, 1, n).tolist()
        assert signed_rank_p([differences]) == pytest.approx([plain_p(differences)], rel=1e-9)


def test_several_classifiers_share_the_error() -> None:
    better = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    assert signed_rank_p([better]) == pytest.approx([2 / 64])
    assert signed_rank_p([better, [0.0] * 6]) == pytest.approx([4 / 64, 1.0])


def test_of_five_datasets_no_p_value_is_below_five_percent() -> None:
    assert min(signed_rank_p([[1.0, 2.0, 3.0, 4.0, 5.0]])) > 0.05
