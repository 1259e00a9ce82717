"""APE against plain loops in float64."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from susx.methods import METHODS
from susx.methods.ape import KEPT, channel_criterion
from susx.methods.classes import exact_class_sums
from susx.search.grid import search
from tests.closeness import assert_close, random_walk
from tests.helpers import Problem, context_of, images_of, make_problem

SUPPORTS = pytest.mark.parametrize("support", [(3, 3, 3, 3), (1, 5, 2, 2, 7)])


def criterion(problem: Problem) -> np.ndarray:
    """J by the loop over all pairs of embeddings of different classes."""
    text = problem.text.astype(float)
    rows = [(c, t) for c, t in enumerate(text)]
    rows += list(zip(problem.support_labels, problem.support.astype(float), strict=True))
    total, pairs = np.zeros(text.shape[1]), 0
    for c, a in rows:
        for e, b in rows:
            if c != e:
                total += a * b
                pairs += 1
    return 0.5 * text.var(axis=0, ddof=1) - 0.5 * total / pairs


def sums_of(problem: Problem) -> tuple[torch.Tensor, torch.Tensor]:
    """Class sums of the support set, (C, d), and (C,) numbers of images."""
    support, labels = problem.support, torch.from_numpy(problem.support_labels)
    return exact_class_sums([(torch.from_numpy(support), labels)], len(problem.text))


def ape_logits(problem: Problem, alpha: float, beta: float, gamma: float) -> np.ndarray:
    images, support, text = (
        a.astype(float) for a in (problem.images, problem.support, problem.text)
    )
    n_kept = round(KEPT * text.shape[1])
    best = sorted(np.argsort(-criterion(problem))[:n_kept])

    def refined(rows: np.ndarray) -> np.ndarray:
        return np.array([row[best] / math.hypot(*row[best]) for row in rows])

    small_text, small_support, small_images = refined(text), refined(support), refined(images)
    logits = 100 * images @ text.T
    for j, label in enumerate(problem.support_labels):
        powers = [math.exp(small_support[j] @ w) for w in small_text]
        divergence = 0.0
        for c, power in enumerate(powers):
            truth = float(c == label)
            share = power / sum(powers)
            divergence += truth * math.log2((truth + 1e-6) / (share + 1e-6))
        for n, image in enumerate(small_images):
            vote = math.exp(-beta * (1 - image @ small_support[j]))
            logits[n, label] += alpha * vote * math.exp(gamma * divergence)
    return logits


@SUPPORTS
def test_channel_criterion_equals_the_loop_over_pairs(support: tuple[int, ...]) -> None:
    problem = make_problem(1, support=support)
    rows = len(problem.text) + len(problem.support)
    made = channel_criterion(torch.from_numpy(problem.text), *sums_of(problem))
    assert_close(made, criterion(problem), random_walk(rows**2))


@SUPPORTS
@pytest.mark.parametrize("point", [(1.0, 1.0, 0.1), (3.0, 6.0, 0.9), (2.0, 0.5, 0.0)])
def test_logits_equal_plain_loops(
    support: tuple[int, ...], point: tuple[float, float, float]
) -> None:
    problem = make_problem(2, support=support)
    values = dict(zip(("alpha", "beta", "gamma"), point, strict=True))
    made = METHODS["ape"].fit(context_of(problem), values).logits(images_of(problem))
    # Dimensions, classes and support images.
    assert_close(made, ape_logits(problem, *point), random_walk(8 + 5 + 17))


def test_gamma_zero_on_all_channels_is_tip_adapter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("susx.methods.ape.KEPT", 1.0)
    problem = make_problem(3)
    values = {"alpha": 2.0, "beta": 5.0}
    ape = METHODS["ape"].fit(context_of(problem), {**values, "gamma": 0.0})
    tip_adapter = METHODS["tip-adapter"].fit(context_of(problem), values)
    images = replace(images_of(problem), patches=None)
    # APE normalises anew what has unit length to float32 only.
    assert_close(ape.logits(images).float(), tip_adapter.logits(images), 1)


@SUPPORTS
def test_search_counts_every_grid_point(support: tuple[int, ...]) -> None:
    problem = make_problem(4, n=40, support=support)
    grid = {"alpha": [0.5, 2.0], "beta": [0.3, 2.0, 6.0], "gamma": [0.0, 0.4, 0.8]}
    terms = METHODS["ape"].terms(context_of(problem), images_of(problem))
    found = search(terms, torch.from_numpy(problem.labels), grid)
    for i, alpha in enumerate(grid["alpha"]):
        for j, beta in enumerate(grid["beta"]):
            for k, gamma in enumerate(grid["gamma"]):
                predicted = ape_logits(problem, alpha, beta, gamma).argmax(axis=1)
                assert found.counts[i, j, k] == (predicted == problem.labels).sum()


def test_grid_is_the_published_one() -> None:
    grid = {name: axis.values(100.0) for name, axis in METHODS["ape"].grid.items()}
    assert {name: len(values) for name, values in grid.items()} == {
        "alpha": 20, "beta": 200, "gamma": 20
    }  # fmt: skip
    assert grid["beta"][-1] == pytest.approx(0.1 + 199 * 6.9 / 200)
    assert grid["alpha"][1] == pytest.approx(0.1 + 6.9 / 20)
    assert grid["gamma"][:2] == pytest.approx([0.0, 0.05])
