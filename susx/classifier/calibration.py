"""Probabilities that mean what they say: one temperature under the logits.

Guo et al., On Calibration of Modern Neural Networks, ICML 2017: `p = softmax(logits / T)` with the
T of the largest likelihood of labelled images. Their labels are smoothed as Platt (1999) does: one
error is counted among N + 2 images, so that T stays finite where none is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp
from torch import Tensor

from susx.evaluation.tuning import fold_of
from susx.methods import Context, Images, Method

RANGE = 1e-3, 1e3
"""Least and largest temperature."""


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """Find the temperature of the largest likelihood.

    Args:
        logits: (N, C) of images that the classifier was not made from.
        labels: (N,) their classes.
    """
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
