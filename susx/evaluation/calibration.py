"""Probabilities that mean what they say: one temperature under the logits.

Guo et al., On Calibration of Modern Neural Networks, ICML 2017: `p = softmax(logits / T)` with the
T of the largest likelihood of labelled images. Their labels are smoothed as Platt (1999) does: one
error is counted among N + 2 images, so that T stays finite where none is wrong.

These images must be drawn as those are that will be classified, and neither the classifier nor its
texts may have chosen them or their labels. Validation images are, and so are few-shot support
images. Retrieved ones were chosen by the texts and generated ones drawn from them: T would fit
whatever their labels are worth (docs/statistics.md has by how much it misses). Then T is 1, the
scale that the encoder was trained with.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from susx.core.errors import InputError
from susx.evaluation.arrays import LabelledImages
from susx.evaluation.tuning import fold_of
from susx.methods import Context, Images, Method

RANGE = 1e-3, 1e3
"""Least and largest temperature."""
BINS = 15
"""Of equal width, for the calibration error: as in the paper above, and since."""

FittedOn = Literal["validation", "support", "nothing"]


@dataclass(frozen=True)
class Temperature:
    """What logits are divided by.

    Attributes:
        value: the temperature.
        on: images that it was fitted on.
        n_images: their number.
    """

    value: float = 1.0
    on: FittedOn = "nothing"
    n_images: int = 0


def choose_temperature(
    method: Method,
    context: Context,
    hyperparameters: Mapping[str, float],
    validation: LabelledImages | None,
    few_shot: bool,
) -> Temperature:
    """Fit a temperature on images that are fit for it, if there are any.

    Args:
        method: the method.
        context: what it knows.
        hyperparameters: in the encoder's units.
        validation: labelled images that are not those to be classified, if there are any.
        few_shot: whether the support set is labelled images of the training split.
    """
    if validation is not None:
        logits = method.fit(context, hyperparameters).logits(validation.images)
        value = fit_temperature(logits, validation.labels)
        return Temperature(value, "validation", len(validation))
    if context.support is None or not few_shot:
        return Temperature()
    try:
        logits, labels = held_out_logits(method, context, hyperparameters)
    except InputError as error:
        logging.warning("temperature 1, as none can be fitted on the support set: %s", error)
        return Temperature()
    return Temperature(fit_temperature(logits, labels), "support", len(labels))


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """Find the temperature of the largest likelihood.

    Args:
        logits: (N, C) of images that the classifier was not made from.
        labels: (N,) their classes.
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import logsumexp

    values = logits.cpu().double().numpy()
    n, n_classes = values.shape
    if n_classes == 1:
        return 1.0
    values -= values.max(axis=1, keepdims=True)
    right = values[np.arange(n), labels.cpu().numpy()]
    wrong = (values.sum(axis=1) - right) / (n_classes - 1)
    error = 1 / (n + 2)
    expected = ((1 - error) * right + error * wrong).mean()

    def loss(log_temperature: float) -> float:
        sharpness = np.exp(-log_temperature)
        return float(logsumexp(sharpness * values, axis=1).mean() - sharpness * expected)

    found = minimize_scalar(loss, bounds=np.log(RANGE), method="bounded", options={"xatol": 1e-6})
    return float(np.exp(found.x))


def held_out_logits(
    method: Method, context: Context, hyperparameters: Mapping[str, float]
) -> tuple[Tensor, Tensor]:
    """Classify every support image by those of other folds: (M, C) logits and (M,) labels.

    Folds are those of protocol `support`. Constants are the context's own.

    Raises:
        InputError: if a class has only one support image, or the method needs more than features.
    """
    support, labels = context.required_support, context.required_labels
    folds = fold_of(labels, context.n_classes)
    logits = support.new_empty(len(support), context.n_classes)
    for fold in range(int(folds.max()) + 1):
        held = folds == fold
        rest = replace(context, support=support[~held], support_labels=labels[~held])
        logits[held] = method.fit(rest, hyperparameters).logits(Images(support[held]))
    return logits, labels


def probabilities(logits: Tensor, temperature: float) -> Tensor:
    """`softmax(logits / T)`, (N, C) in float64 on the CPU."""
    return torch.softmax(logits.cpu().double() / temperature, dim=1)


def calibration_error(shares: Tensor, labels: Tensor) -> float:
    """Expected calibration error in points: by how much confidence and accuracy differ.

    Images are binned by the probability of their best class, in bins of equal width; of every bin
    the mean probability is compared with the accuracy, and bins count by their images (Naeini et
    al., AAAI 2015; Guo et al., ICML 2017).

    Args:
        shares: (N, C) probabilities.
        labels: (N,) classes.
    """
    confidence, best = shares.max(dim=1)
    right = (best == labels.to(best.device)).double()
    # Upper ends belong to their bin, so that 1 does to the last.
    bins = (confidence * BINS).ceil().long().clamp(1, BINS) - 1
    gaps = torch.zeros(BINS, dtype=torch.float64).index_add(0, bins, confidence - right)
    return 100 * float(gaps.abs().sum()) / len(labels)


def brier_score(shares: Tensor, labels: Tensor) -> float:
    """Mean squared distance of probabilities and truth, 0 to 2 (Brier, Mon. Weather Rev. 1950).

    Args:
        shares: (N, C) probabilities.
        labels: (N,) classes.
    """
    own = shares.gather(1, labels.to(shares.device)[:, None])[:, 0]
    return float((shares.square().sum(dim=1) - 2 * own + 1).mean())
