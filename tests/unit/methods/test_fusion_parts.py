"""Fusion's parts against sums written out."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from susx.methods import Context
from susx.methods.fusion import frequencies, gaussians, labelled, pooling
from tests.closeness import assert_close, random_walk
from tests.helpers import Problem, context_of, make_problem, unit_rows
from tests.made.clusters import clusters

SUPPORTS = [(3, 3, 3, 3, 3), (1, 7, 2, 4, 2)]


# The support set by itself


def left_out(problem: Problem, weights: np.ndarray) -> labelled.LeftOut:
    where = context_of(problem)
    return labelled._left_out(
        where, where.required_support, where.required_labels, torch.from_numpy(weights)
    )


@pytest.mark.parametrize("support", [(3, 3, 3, 3, 3), (4, 7, 2, 4, 2)])
def test_support_images_are_left_out_of_means_and_covariance(support: tuple) -> None:
    problem = make_problem(5, support=support)
    rows, labels = problem.support.astype(float), problem.support_labels
    weights = np.random.default_rng(0).uniform(0.6, 1.0, len(rows))
    parts = left_out(problem, weights)

    def mean(c: int, without: int | None) -> np.ndarray:
        keep = [j for j in range(len(rows)) if labels[j] == c and j != without]
        return weights[keep] @ rows[keep] / weights[keep].sum()

    means = np.stack([mean(c, None) for c in range(5)])
    scatter = sum(
        w * np.outer(x - means[y], x - means[y])
        for w, x, y in zip(weights, rows, labels, strict=True)
    )
    n = np.array([weights[labels == c].sum() for c in range(5)])
    freedom = sum(n) - sum((weights[labels == c] ** 2).sum() / n[c] for c in range(5))
    covariance = scatter / freedom
    ridge = np.trace(covariance) / freedom * np.eye(len(covariance))
    spread = np.trace(np.linalg.inv(covariance + ridge) @ covariance)
    expected = np.zeros((len(rows), 5))
    for j, (x, y) in enumerate(zip(rows, labels, strict=True)):
        rest = n[y] - weights[j]
        gone = weights[j] * n[y] / rest * np.outer(x - means[y], x - means[y])
        inverse = np.linalg.inv(covariance - gone / freedom + ridge)
        for c in range(5):
            away = x - mean(c, j)
            size = max(rest if c == y else n[c], labelled.COMPANY)
            expected[j, c] = (spread / size - away @ inverse @ away) / 2
    # Two inverses of 8 dimensions, with a rank-one change of leverage up to nearly 1 between them.
    leverage = 1 / (1 - labelled.LEVERAGE)
    assert_close(
        parts.scores(slice(None)), expected, leverage * random_walk(64), np.abs(expected).max()
    )


def test_a_clean_support_explains_its_labels_and_noise_nothing() -> None:
    clean = labelled.support_view(clusters(0, 8)[0])
    half = labelled.support_view(clusters(0, 8, wrong=0.5)[0])
    noise = labelled.support_view(clusters(0, 8, foreign=1.0)[0])
    assert clean.information > 0.9 and clean.known
    assert 0.1 < half.information < clean.information - 0.2
    assert not noise.known and float(noise.counts.sum()) == 0


def test_wrong_labels_lose_their_weight() -> None:
    where, _, _ = clusters(1, 12, wrong=0.3)
    right_labels = clusters(1, 12)[0]
    view = labelled.support_view(where)
    whole = labelled.support_view(right_labels)
    # 30 % get a random class, which is their own once in 50.
    assert float(view.counts.sum()) == pytest.approx(0.7 * float(whole.counts.sum()), rel=0.1)


def test_one_image_per_class_cannot_be_measured_but_is_kept() -> None:
    view = labelled.support_view(clusters(2, 1)[0])
    assert not view.known and view.counts.tolist() == [1.0] * 50
    assert view.freedom == 0 and not view.scatter.any()


# Both views


def test_temperatures_of_independent_views_are_found() -> None:
    random = torch.Generator().manual_seed(0)
    truth = torch.arange(4000) % 20
    images = torch.randn(4000, 40, generator=random) + 4 * torch.eye(40)[truth]
    # The first 20 dimensions are one view, the others a copy of the classes with noise of its own.
    images[:, 20:] = torch.randn(4000, 20, generator=random) + 2 * torch.eye(20)[truth]
    text = torch.eye(20, 40)  # posteriors of unit noise: logits 4 x, so a temperature of 4
    centres = torch.eye(40)[20:]  # likewise 2 x
    nothing = labelled.SupportView(
        torch.ones(20),
        torch.zeros(20, 40),
        torch.zeros(40, 40),
    )
    a, b = pooling.temperatures(Context(text, 1.0), nothing, images, centres, torch.zeros(20))
    # The grids' steps are factors of 1.19 and 1.41.
    assert a == pytest.approx(4, rel=0.2) and b == pytest.approx(2, rel=0.3)


def test_a_view_without_information_has_no_weight() -> None:
    assert pooling._share(0.5, math.log(20), 20) == pytest.approx(1)
    assert pooling._share(math.log(20), 0.5, 20) == pytest.approx(0)
    assert pooling._share(0.5, 0.5, 20) == pytest.approx(0.5)
    assert pooling._share(0.0, 0.0, 1) == pytest.approx(0.5)


# Frequencies


def test_concentrations_weigh_by_the_dirichlet_multinomial() -> None:
    counts = [5.0, 0.0, 2.5, 0.1]
    made = dict(frequencies.concentrations(torch.tensor(counts, dtype=torch.float64)))

    def evidence(a: float) -> float:
        log = sum(math.lgamma(n + a) - math.lgamma(a) for n in counts)
        return math.exp(log + math.lgamma(4 * a) - math.lgamma(sum(counts) + 4 * a))

    total = sum(map(evidence, frequencies.CONCENTRATIONS))
    for value, weight in made.items():
        assert weight == pytest.approx(evidence(value) / total, rel=1e-9)
    assert sum(made.values()) == pytest.approx(1, abs=25 * frequencies.NEGLIGIBLE)


def test_absent_classes_become_rare_and_equal_ones_stay_equal() -> None:
    few = torch.eye(50)[torch.arange(64) % 3]
    log = frequencies.log_frequencies(few, frequencies.concentrations(few.sum(dim=0)))
    assert float(log[:, 3:].max()) < math.log(1e-3)
    even = torch.eye(50)[torch.arange(2000) % 50]
    log = frequencies.log_frequencies(even, frequencies.concentrations(even.sum(dim=0)))
    assert float((log.exp() * 50 - 1).abs().max()) < 0.1


def test_an_image_is_left_out_of_its_own_frequency() -> None:
    shares = torch.eye(2, dtype=torch.float64)[[0, 1, 1]]
    log = frequencies.log_frequencies(shares, [(1.0, 1.0)])
    assert log.exp()[0].tolist() == pytest.approx([1 / 4, 3 / 4])
    assert log.exp()[1].tolist() == pytest.approx([2 / 4, 2 / 4])


# Gaussians

UNIT = torch.eye(40, dtype=torch.float64)


def cluster_rows(
    seed: int, per_class: int, offset: float = 0.0, displacement: float = 0.0
) -> tuple[Tensor, Tensor]:
    """Eight classes with unit variance in each of 40 dimensions and fixed means, as one-hot shares.

    All rows are moved by a vector of length `offset`, and by random vectors of length
    `displacement` per class, in units of a class's standard deviation.
    """
    means = 2 * np.random.default_rng(0).normal(size=(8, 40)) + offset / math.sqrt(40)
    random = np.random.default_rng(seed)
    means += displacement * math.sqrt(40) * unit_rows(random, 8, 40)
    labels = np.repeat(np.arange(8), per_class)
    rows = means[labels] + random.normal(size=(len(labels), 40))
    return torch.from_numpy(rows), torch.eye(8, dtype=torch.float64)[torch.from_numpy(labels)]


def target_of(rows: Tensor, shares: Tensor) -> gaussians.Moments:
    return gaussians.soft_moments(rows, shares, rows.T @ rows)


def support_of(rows: Tensor, shares: Tensor) -> labelled.SupportView:
    made = target_of(rows, shares)
    return labelled.SupportView(made.counts, made.means, made.scatter(), made.freedom)


def test_a_ridge_inverse_inverts_the_covariance_within_classes() -> None:
    made = target_of(*cluster_rows(1, 2000))
    inverse, spread = labelled.ridge_inverse(made.scatter(), made.freedom)
    assert torch.allclose(inverse, UNIT, atol=0.1)
    assert spread == pytest.approx(40, rel=0.02)


def test_a_support_of_the_targets_domain_keeps_its_worth_and_place() -> None:
    for seed in range(5):
        target = target_of(*cluster_rows(10 + seed, 30))
        support = support_of(*cluster_rows(20 + seed, 10))
        assert float(gaussians.support_shift(target, support, UNIT, 40.0).norm()) < 0.5
        difference = target.means - support.means
        worth = gaussians.support_worth(difference, target.counts, support.counts, UNIT, 40.0)
        assert 8 < float(worth.mean()) <= 10


def test_a_shifted_support_is_moved_back() -> None:
    target, support = target_of(*cluster_rows(1, 30)), support_of(*cluster_rows(2, 10, offset=6.0))
    shift = gaussians.support_shift(target, support, UNIT, 40.0)
    assert float(shift.norm()) == pytest.approx(6.0, rel=0.2)


@pytest.mark.parametrize("displacement", [1.0, 2.0])
def test_a_displaced_support_loses_worth(displacement: float) -> None:
    target = target_of(*cluster_rows(1, 500))
    support = support_of(*cluster_rows(2, 10, displacement=displacement))
    difference = target.means - support.means
    worth = gaussians.support_worth(difference, target.counts, support.counts, UNIT, 40.0)
    assert worth.numpy() == pytest.approx(10 / (1 + 10 * displacement**2), rel=0.3)
    # Target images that are not to be trusted cannot show that the support is.
    doubted = gaussians.support_worth(difference, 1e-4 * target.counts, support.counts, UNIT, 40.0)
    assert doubted.tolist() == pytest.approx([10.0] * 8)


def test_target_images_of_uncertain_class_count_less() -> None:
    rows = torch.zeros(20, 3, dtype=torch.float64)
    certain = torch.eye(2, dtype=torch.float64)[torch.arange(20) % 2]
    sure, torn = target_of(rows, certain), target_of(rows, certain / 2 + 0.25)
    assert gaussians.target_trust(sure.counts, sure.impurity, 2.0).tolist() == [1, 1]
    # Of 10 images a share of 1 - (0.75^2 + 0.25^2) is expected to be foreign.
    expected = 1 / (1 + 10 * 0.375**2 * 2)
    trust = gaussians.target_trust(torn.counts, torn.impurity, 2.0)
    assert trust.tolist() == pytest.approx([expected, expected])


def test_class_frequencies_of_the_target_are_no_domain_shift() -> None:
    support, target = support_of(*cluster_rows(2, 10)), target_of(*cluster_rows(3, 200))
    few = torch.tensor([1.0, 0.005, 0.005, 0.5, 0.005, 1, 0.005, 0.005], dtype=torch.float64)
    rare = gaussians.Moments(
        few * target.counts, few[:, None] * target.sums, few * target.squares, target.products
    )
    assert float((rare.sums.sum(0) / rare.counts.sum() - support.means.mean(0)).norm()) > 5
    assert float(gaussians.support_shift(rare, support, UNIT, 40.0).norm()) < 1


def test_classes_without_support_hinder_no_shift() -> None:
    target, support = target_of(*cluster_rows(1, 30)), support_of(*cluster_rows(2, 10, offset=6.0))
    counts, means = support.counts.clone(), support.means.clone()
    counts[0], means[0] = 0, 0
    shift = gaussians.support_shift(target, replace(support, counts=counts, means=means), UNIT, 40)
    assert float(shift.norm()) == pytest.approx(6.0, rel=0.2)


@pytest.mark.parametrize("support", SUPPORTS)
@pytest.mark.parametrize("n", [7, 40])
def test_target_images_are_left_out_of_what_scores_them(support: tuple, n: int) -> None:
    problem = make_problem(5, n=n, support=support)
    rows = problem.images.astype(float) - problem.images.mean(axis=0)
    shares = np.random.default_rng(0).dirichlet(np.full(5, 0.3), n)
    x, z = torch.from_numpy(rows), torch.from_numpy(shares)
    target = target_of(x, z)
    support_set = support_of(
        context_of(problem).required_support - torch.from_numpy(problem.images.mean(axis=0)),
        torch.eye(5, dtype=torch.float64)[context_of(problem).required_labels],
    )
    model = gaussians.estimate(target, target.squares, support_set)
    assert model is not None
    found = gaussians.left_out_scores(x, z, model)
    trust, totals, means = (a.numpy() for a in (model.trust, model.totals, model.means))
    worth, covariance = model.worth.numpy(), np.linalg.inv(model.inverse.numpy())
    noise = borrowed = 0.0
    for i, row in enumerate(rows):
        residual = row - shares[i] @ means
        inverse = np.linalg.inv(covariance - np.outer(residual, residual) / model.freedom)
        scores = np.zeros(5)
        for c in range(5):
            rest = totals[c] - trust[c] * shares[i, c]
            mean = (totals[c] * means[c] - trust[c] * shares[i, c] * row) / rest
            variance = (model.noise[c].item() - (trust[c] * shares[i, c]) ** 2) / rest**2
            noise += shares[i, c] * variance / n
            borrowed += shares[i, c] * (worth[c] / rest) ** 2 / n
            # The change of rank one is made about the mean with the image, then scaled.
            away = (row - means[c]) * totals[c] / rest
            assert away == pytest.approx(row - mean, rel=1e-6, abs=1e-9)
            scores[c] = (model.spread * variance - away @ inverse @ away) / 2
        leverage = 1 / (1 - labelled.LEVERAGE)
        roundings = leverage * random_walk(64)
        assert_close(found.densities[i], scores - scores.max(), roundings, 1 + np.abs(scores).max())
    assert found.noise == pytest.approx(noise, rel=1e-6)
    assert found.borrowed == pytest.approx(borrowed, rel=1e-6)
