"""Accuracies and their uncertainty."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Correct = NDArray[np.bool_]
LEVEL = (2.5, 97.5)


def accuracy_interval(correct: Correct, samples: int, seed: int) -> list[float]:
    """95 % percentile-bootstrap interval of accuracy in percent.

    Drawing N images with replacement draws a binomial number of correct ones.
    """
    n = len(correct)
    draws = np.random.default_rng(seed).binomial(n, correct.mean(), samples)
    return [round(float(value), 3) for value in np.percentile(100 * draws / n, LEVEL)]


def paired_difference(
    correct: Correct, reference: Correct, samples: int, seed: int
) -> dict[str, float | list[float]]:
    """Mean and 95 % paired-bootstrap interval of an accuracy difference, in points.

    Per image the difference is -1, 0 or 1, so a bootstrap sample is a multinomial draw of how
    many images were broken, unchanged and corrected.
    """
    n = len(correct)
    difference = correct.astype(int) - reference.astype(int)
    shares = np.bincount(difference + 1, minlength=3) / n
    draws = np.random.default_rng(seed).multinomial(n, shares, samples)
    values = 100 * (draws[:, 2] - draws[:, 0]) / n
    interval = [round(float(value), 3) for value in np.percentile(values, LEVEL)]
    return {"mean": round(100 * float(difference.mean()), 3), "ci95": interval}


def per_class_accuracy(
    correct: Correct, labels: NDArray[np.int64], n_classes: int
) -> list[float | None]:
    """Accuracy of every class in percent, None for classes without images."""
    totals = np.bincount(labels, minlength=n_classes)
    hits = np.bincount(labels, weights=correct, minlength=n_classes)
    return [
        round(100 * float(hit) / int(total), 3) if total else None
        for hit, total in zip(hits, totals, strict=True)
    ]
