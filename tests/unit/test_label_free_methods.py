"""GDA, calibrated fusion and TransCLIP against plain loops in float64."""

import math

import numpy as np
import pytest
import torch

from susx.methods import METHODS, Context, Images
from susx.methods.fusion import nearest_beta, standardised
from susx.methods.gda import discriminant
from tests.helpers import Problem, make_problem

SUPPORTS = [(3, 3, 3, 3, 3), (1, 7, 2, 4, 2)]


def context(problem: Problem) -> Context:
    return Context(
        torch.from_numpy(problem.text).double(),
        100.0,
        torch.from_numpy(problem.support).double(),
        torch.from_numpy(problem.support_labels),
    )


def doubles(problem: Problem) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return tuple(np.asarray(a, float) for a in (problem.images, problem.support, problem.text))  # type: ignore[return-value]


def gda_scores(problem: Problem) -> np.ndarray:
    images, support, text = doubles(problem)
    labels, (m, d) = problem.support_labels, support.shape
    means = np.stack([support[labels == c].mean(axis=0) for c in range(len(text))])
    covariance = np.zeros((d, d))
    for row, label in zip(support, labels, strict=True):
        covariance += np.outer(row - means[label], row - means[label])
    covariance /= m - 1
    precision = d * np.linalg.pinv((m - 1) * covariance + np.trace(covariance) * np.eye(d))
    scores = np.zeros((len(images), len(text)))
    for n, image in enumerate(images):
        for c, mean in enumerate(means):
            scores[n, c] = image @ precision @ mean - mean @ precision @ mean / 2
    return scores


@pytest.mark.parametrize("support", SUPPORTS)
def test_discriminant_is_that_of_gaussians_with_shared_covariance(support: tuple) -> None:
    problem = make_problem(3, n=11, support=support)
    found = discriminant(context(problem), torch.from_numpy(problem.images).double())
    assert found.numpy() == pytest.approx(gda_scores(problem), rel=1e-8, abs=1e-8)


def test_one_support_image_per_class_falls_back_to_the_nearest() -> None:
    problem = make_problem(4, n=30, support=(1, 1, 1, 1, 1))
    images, support, _ = doubles(problem)
    nearest = [problem.support_labels[np.argmax(support @ image)] for image in images]
    found = discriminant(context(problem), torch.from_numpy(images))
    assert found.argmax(dim=1).tolist() == nearest


@pytest.mark.parametrize("support", SUPPORTS)
def test_fusion_adds_three_standardised_experts(support: tuple) -> None:
    problem = make_problem(5, n=23, support=support)
    images, supports, text = doubles(problem)
    distances = sorted(1 - max(image @ row for row in supports) for image in images)
    beta = 1 / distances[(len(distances) - 1) // 2]
    votes = np.zeros((len(images), len(text)))
    for n, image in enumerate(images):
        for c in range(len(text)):
            own = supports[problem.support_labels == c]
            votes[n, c] = np.mean([math.exp(-beta * (1 - image @ row)) for row in own])
    expected = np.zeros_like(votes)
    for scores in (images @ text.T, votes, gda_scores(problem)):
        centred = scores - scores.mean(axis=1, keepdims=True)
        expected += centred / np.mean([row.std() for row in scores])
    found = METHODS["fusion"].fit(context(problem), {}).logits(Images(torch.from_numpy(images)))
    assert found.numpy() == pytest.approx(expected, rel=1e-8, abs=1e-8)


def test_fusion_is_the_same_if_an_encoders_cosines_are_bunched() -> None:
    scores = torch.from_numpy(np.random.default_rng(0).normal(size=(9, 4)))
    assert torch.allclose(standardised(scores), standardised(0.01 * scores + 0.8))


def test_images_equal_to_support_images_do_not_break_fusion() -> None:
    problem = make_problem(6)
    where = context(problem)
    beta = nearest_beta(where, where.required_support)
    assert beta == pytest.approx(1000)
    made = METHODS["fusion"].fit(where, {}).logits(Images(where.required_support))
    assert made.isfinite().all()
    assert (made.argmax(dim=1) == where.required_labels).all()


def transclip(problem: Problem) -> np.ndarray:
    """Assignments after ten outer and fifty inner updates, written out as in the paper."""
    x, _, text = doubles(problem)
    (n, d), classes = x.shape, len(text)

    def softmax(rows: np.ndarray) -> np.ndarray:
        powers = np.exp(rows - rows.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)

    prior = softmax(100 * x @ text.T)
    z = prior.copy()
    affinity = np.zeros((n, n))
    for i in range(n):
        cosines = x @ x[i]
        cosines[i] = -2
        for j in np.argsort(-cosines)[:3]:
            affinity[i, j] = cosines[j]
    means = np.zeros((classes, d))
    for c in range(classes):
        for i in np.argsort(-z[:, c])[:8]:
            means[c] += z[i, c] * x[i]
        means[c] /= np.linalg.norm(means[c])
    variance = np.full(d, 1 / d)
    for _ in range(10):
        for _ in range(5):
            energy = np.zeros((n, classes))
            for i in range(n):
                for c in range(classes):
                    gaussian = -0.5 * np.sum((x[i] - means[c]) ** 2 / variance)
                    pull = (50 / 6) * np.sum((affinity[i] + affinity[:, i]) * z[:, c])
                    energy[i, c] = np.log(prior[i, c]) + (gaussian + pull) / 50
            z = softmax(energy)
        means = z.T @ x
        means /= np.linalg.norm(means, axis=1, keepdims=True)
        variance = np.zeros(d)
        for i in range(n):
            for c in range(classes):
                variance += z[i, c] * (x[i] - means[c]) ** 2
        variance /= z.sum()
    return z


def test_transclip_makes_the_published_updates() -> None:
    problem = make_problem(7, n=25)
    made = METHODS["transclip"].fit(context(problem), {})
    found = made.logits(Images(torch.from_numpy(problem.images).double())).exp()
    assert found.numpy() == pytest.approx(transclip(problem), rel=1e-6, abs=1e-9)
