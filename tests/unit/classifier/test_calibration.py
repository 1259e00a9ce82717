"""Temperatures, against brute force, and held-out support images, against a plain loop."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax

from susx.classifier.calibration import fit_temperature, held_out_logits, probabilities
from susx.methods import METHODS, Context, Images
from tests.closeness import assert_close, random_walk
from tests.helpers import context_of, make_problem


def smoothed_losses(logits: np.ndarray, labels: np.ndarray, temperatures: np.ndarray) -> np.ndarray:
    """Cross entropy with one error counted among two more images, for every temperature."""
    n, n_classes = logits.shape
    error = 1 / (n + 2)
    targets = np.full((n, n_classes), error / (n_classes - 1))
    targets[np.arange(n), labels] = 1 - error
    log_p = log_softmax(logits / temperatures[:, None, None], axis=2)
    return -(targets * log_p).sum(axis=(1, 2)) / n


@given(st.integers(0, 10**6), st.integers(2, 5), st.floats(0.05, 20))
@settings(max_examples=30, deadline=None)
def test_the_temperature_is_that_of_the_largest_likelihood(
    seed: int, n_classes: int, scale: float
) -> None:
    random = np.random.default_rng(seed)
    logits = scale * random.normal(size=(40, n_classes))
    labels = random.integers(0, n_classes, 40)
    labels[:25] = logits[:25].argmax(axis=1)
    found = fit_temperature(torch.from_numpy(logits), torch.from_numpy(labels))
    around = np.geomspace(2e-3, 5e2, 400)
    of_found, *others = smoothed_losses(logits, labels, np.array([found, *around]))
    # The logarithm is sought to 1e-6, and a loss near its minimum grows with the square.
    assert of_found <= min(others) * (1 + 1e-9)


def test_a_known_temperature_is_found_again() -> None:
    random = np.random.default_rng(0)
    logits = torch.from_numpy(3 * random.normal(size=(20000, 4)))
    shares = torch.softmax(logits / 2.5, dim=1)
    labels = torch.multinomial(shares, 1, generator=torch.Generator().manual_seed(0))[:, 0]
    assert fit_temperature(logits, labels) == pytest.approx(2.5, rel=0.05)


def test_images_without_an_error_do_not_make_certain() -> None:
    logits = 10 * torch.eye(4)
    temperature = fit_temperature(logits, torch.arange(4))
    best = probabilities(logits, temperature).amax(dim=1)
    assert best.tolist() == pytest.approx([1 - 1 / 6] * 4, rel=1e-5)


def test_one_class_needs_no_temperature() -> None:
    assert fit_temperature(torch.zeros(3, 1), torch.zeros(3, dtype=torch.int64)) == 1


def test_probabilities_add_up_and_keep_the_order() -> None:
    logits = torch.from_numpy(np.random.default_rng(1).normal(size=(7, 5)).astype(np.float32))
    shares = probabilities(100 * logits, 3.0)
    assert_close(shares.sum(dim=1), torch.ones(7, dtype=torch.float64), random_walk(5))
    assert torch.equal(shares.argmax(dim=1), logits.argmax(dim=1))


@pytest.mark.parametrize("method", ["tip-adapter", "gda", "ape"])
def test_held_out_images_are_classified_by_those_of_other_folds(method: str) -> None:
    problem = make_problem(3, support=(4, 2, 3, 2, 6))  # so two folds
    where = context_of(problem)
    values = METHODS[method].scaled(METHODS[method].fixed, 100.0)
    logits, labels = held_out_logits(METHODS[method], where, values)
    support = where.required_support
    assert torch.equal(labels, where.required_labels)
    seen = [0] * 5
    for i, label in enumerate(labels.tolist()):
        fold = seen[label] % 2
        seen[label] += 1
        others, counts = [], [0] * 5
        for j, other in enumerate(labels.tolist()):
            if counts[other] % 2 != fold:
                others.append(j)
            counts[other] += 1
        rest = Context(where.text, 100.0, support[others], labels[others])
        alone = METHODS[method].fit(rest, values).logits(Images(support[i : i + 1]))
        assert_close(logits[i], alone[0], random_walk(8 + 17))
