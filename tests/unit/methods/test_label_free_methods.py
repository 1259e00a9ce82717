"""GDA and TransCLIP against plain loops in float64."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from susx.methods import METHODS, Context, Images
from susx.methods.classes import Samples
from susx.methods.gda import discriminant
from tests.closeness import assert_close, random_walk
from tests.helpers import Problem, make_problem, unit_rows

# Terms of class means and covariances, of an inverse and of its products with both sides.
DISCRIMINANT = random_walk(16 + 16 + 8 + 2 * 8)
SUPPORTS = [(3, 3, 3, 3, 3), (1, 7, 2, 4, 2)]


def context(problem: Problem) -> Context:
    return Context(
        torch.from_numpy(problem.text).double(),
        100.0,
        torch.from_numpy(problem.support).double(),
        torch.from_numpy(problem.support_labels),
    )


def samples_of(problem: Problem) -> tuple[Samples, int]:
    given = context(problem)
    return [(given.required_support, given.required_labels)], given.n_classes


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
    found = discriminant(*samples_of(problem), torch.from_numpy(problem.images).double())
    expected = gda_scores(problem)
    # A score is the difference of terms as large as the largest score.
    assert_close(found, expected, DISCRIMINANT, np.abs(expected).max())


def test_a_class_without_support_gets_the_mean_score_of_the_others() -> None:
    problem = make_problem(3, n=11, support=(4, 3, 2, 6, 0))
    found = discriminant(*samples_of(problem), torch.from_numpy(problem.images).double()).numpy()
    others = gda_scores(replace(problem, text=problem.text[:4]))
    assert_close(found[:, :4], others, DISCRIMINANT, np.abs(others).max())
    assert_close(found[:, 4], others.mean(axis=1), DISCRIMINANT, np.abs(others).max())


def test_one_support_image_per_class_falls_back_to_the_nearest() -> None:
    problem = make_problem(4, n=30, support=(1, 1, 1, 1, 1))
    images, support, _ = doubles(problem)
    nearest = [problem.support_labels[np.argmax(support @ image)] for image in images]
    found = discriminant(*samples_of(problem), torch.from_numpy(images))
    assert found.argmax(dim=1).tolist() == nearest


def transclip(problem: Problem, gamma: float = 0.0) -> np.ndarray:
    """Assignments after eleven rounds of five sweeps, written out as in the paper.

    With gamma support images take part.
    """
    x, f, text = doubles(problem)
    (n, d), classes, labels = x.shape, len(text), problem.support_labels

    def softmax(rows: np.ndarray) -> np.ndarray:
        powers = np.exp(rows - rows.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)

    prior = softmax(100 * x @ text.T)
    z = prior.copy()
    power, weight = (0.5, 50 * gamma / len(f)) if gamma else (1.0, 0.0)
    affinity = np.zeros((n, n))
    for i in range(n):
        cosines = x @ x[i]
        cosines[i] = -2
        for j in np.argsort(-cosines)[:3]:
            affinity[i, j] = cosines[j]
    shown = np.zeros((n, classes))
    for row, label in zip(f if gamma else [], labels, strict=False):
        for j in np.argsort(-x @ row)[:3]:
            shown[j, label] += x[j] @ row
    means = np.zeros((classes, d))
    for c in range(classes):
        for i in np.argsort(-z[:, c])[:8]:
            means[c] += z[i, c] * x[i]
        if gamma:
            means[c] = f[labels == c].sum(axis=0)
        means[c] /= np.linalg.norm(means[c])
    variance = np.full(d, 1 / d)
    for update in range(11):
        for _ in range(5):
            energy = np.zeros((n, classes))
            for i in range(n):
                for c in range(classes):
                    gaussian = -0.5 * np.sum((x[i] - means[c]) ** 2 / variance)
                    pull = np.sum((affinity[i] + affinity[:, i]) * z[:, c]) + shown[i, c]
                    energy[i, c] = power * np.log(prior[i, c]) + (gaussian + pull * 50 / 6) / 50
            z = softmax(energy)
        if update == 10:
            break
        means = z.T @ x / n
        for row, label in zip(f, labels, strict=True):
            means[label] += weight * row
        means /= np.linalg.norm(means, axis=1, keepdims=True)
        variance = np.zeros(d)
        for i in range(n):
            for c in range(classes):
                variance += z[i, c] * (x[i] - means[c]) ** 2 / n
        for row, label in zip(f, labels, strict=True):
            variance += weight * (row - means[label]) ** 2
        variance /= 1 + weight * len(f)
    return z


def test_transclip_makes_the_published_updates() -> None:
    problem = make_problem(7, n=25)
    made = METHODS["transclip"].fit(context(problem), {})
    found = made.logits(Images(torch.from_numpy(problem.images).double())).exp()
    # A probability is as inexact as the logit of up to 100 behind it.
    assert_close(found, transclip(problem), random_walk(8), scale=100)


@pytest.mark.parametrize("gamma", [0.02, 0.2])
def test_transclip_with_support_makes_the_published_updates(gamma: float) -> None:
    problem = make_problem(7, n=25, support=(4, 1, 3, 2, 7))
    made = METHODS["transclip-fs"].fit(context(problem), {"gamma": gamma})
    found = made.logits(Images(torch.from_numpy(problem.images).double())).exp()
    assert_close(found, transclip(problem, gamma), random_walk(8 + 17), scale=100)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("n", "n_classes"), [(1, 10), (2, 10), (5, 10), (20, 10), (20, 100)])
def test_transclip_keeps_what_the_text_is_certain_of(
    n: int, n_classes: int, dtype: torch.dtype
) -> None:
    random = np.random.default_rng(0)
    text = torch.from_numpy(unit_rows(random, n_classes, 64)).to(dtype)
    labels = torch.from_numpy(random.integers(0, n_classes, n))
    rows = text[labels] + 0.01 * torch.from_numpy(unit_rows(random, n, 64)).to(dtype)
    images = Images(rows / rows.norm(dim=1, keepdim=True))
    made = METHODS["transclip"].fit(Context(text, 100.0), {}).logits(images)
    assert made.isfinite().all()
    assert made.argmax(dim=1).tolist() == labels.tolist()
