"""Temperatures, against brute force, and held-out support images, against a plain loop."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax

from susx.evaluation.arrays import LabelledImages
from susx.evaluation.calibration import (
    Temperature,
    brier_score,
    calibration_error,
    choose_temperature,
    fit_temperature,
    held_out_logits,
    probabilities,
)
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


# Which images a temperature is fitted on


def fitted_on(validation: bool, few_shot: bool, support: tuple[int, ...] | None) -> Temperature:
    problem = make_problem(3, support=support or (4, 2, 3, 2, 6))
    where = context_of(problem)
    name = "zero-shot" if support is None else "tip-adapter"
    if support is None:
        where = replace(where, support=None, support_labels=None)
    method = METHODS[name]
    images = LabelledImages(Images(where.text), torch.arange(5)) if validation else None
    values = method.scaled(method.fixed, 100.0)
    return choose_temperature(method, where, values, images, few_shot)


@pytest.mark.parametrize(
    ("validation", "few_shot", "support", "on", "n"),
    [
        (True, True, (4, 2, 3, 2, 6), "validation", 5),
        (True, False, None, "validation", 5),
        (False, True, (4, 2, 3, 2, 6), "support", 17),
        (False, True, (4, 1, 3, 2, 6), "nothing", 0),
        (False, False, (4, 2, 3, 2, 6), "nothing", 0),
        (False, True, None, "nothing", 0),
    ],
)
def test_only_images_that_stand_for_the_target_fit_a_temperature(
    validation: bool, few_shot: bool, support: tuple[int, ...] | None, on: str, n: int
) -> None:
    found = fitted_on(validation, few_shot, support)
    assert (found.on, found.n_images) == (on, n)
    assert (found.value == 1) == (on == "nothing")


# How well probabilities fit


def plain_error(shares: np.ndarray, labels: np.ndarray) -> float:
    """The calibration error, image by image."""
    bins: dict[int, list[float]] = {}
    for row, label in zip(shares, labels, strict=True):
        number = next(k for k in range(15) if row.max() <= (k + 1) / 15 or k == 14)
        bins.setdefault(number, []).append(row.max() - (row.argmax() == label))
    gaps = [abs(sum(own)) for own in bins.values()]
    return float(100 * sum(gaps) / len(labels))


@pytest.mark.parametrize("seed", range(4))
def test_scores_are_those_of_a_plain_count(seed: int) -> None:
    random = np.random.default_rng(seed)
    shares = random.dirichlet(np.full(4, 0.3), 200)
    labels = random.integers(0, 4, 200)
    made = torch.from_numpy(shares), torch.from_numpy(labels)
    assert calibration_error(*made) == pytest.approx(plain_error(shares, labels), rel=1e-9)
    squares = ((shares - np.eye(4)[labels]) ** 2).sum(axis=1)
    assert brier_score(*made) == pytest.approx(squares.mean(), rel=1e-9)


def test_scores_of_the_certain_are_their_errors() -> None:
    certain = torch.eye(4, dtype=torch.float64)[[0, 1, 2, 3]]
    for labels, wrong in ([0, 1, 2, 3], 0), ([1, 1, 2, 3], 1), ([1, 2, 3, 0], 4):
        assert calibration_error(certain, torch.tensor(labels)) == 25 * wrong
        assert brier_score(certain, torch.tensor(labels)) == 2 * wrong / 4


def test_probabilities_that_mean_what_they_say_have_no_error() -> None:
    random = np.random.default_rng(0)
    shares = random.dirichlet(np.ones(3), 40000)
    labels = (random.random(40000)[:, None] > shares.cumsum(axis=1)).sum(axis=1).clip(max=2)
    # A bin of n images is off by 0.5 / sqrt(n) at most, in the root mean square.
    allowed = 100 * 3 * 0.5 * np.sqrt(15 / 40000)
    assert calibration_error(torch.from_numpy(shares), torch.from_numpy(labels)) < allowed
    sharper = torch.from_numpy(shares**2 / (shares**2).sum(axis=1, keepdims=True))
    assert calibration_error(sharper, torch.from_numpy(labels)) > 3 * allowed
