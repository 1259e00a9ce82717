"""Accuracies and their uncertainty."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import mean, stdev
from typing import Any

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
) -> dict[str, Any]:
    """Difference of two classifiers' accuracies on the same images, in points.

    Per image the difference is -1, 0 or 1, so a bootstrap sample is a multinomial draw of how
    many images were broken, unchanged and corrected.

    Returns:
        Mean, 95 % paired-bootstrap interval, numbers of corrected and broken images, and the
        two-sided p-value of McNemar's exact test (McNemar, Psychometrika 1947): given their sum,
        are the two numbers those of a fair coin?
    """
    from scipy.stats import binomtest

    n = len(correct)
    difference = correct.astype(int) - reference.astype(int)
    broken, same, corrected = (int(k) for k in np.bincount(difference + 1, minlength=3))
    shares = np.array([broken, same, corrected]) / n
    draws = np.random.default_rng(seed).multinomial(n, shares, samples)
    values = 100 * (draws[:, 2] - draws[:, 0]) / n
    changed = corrected + broken
    return {
        "mean": round(100 * (corrected - broken) / n, 3),
        "ci95": [round(float(value), 3) for value in np.percentile(values, LEVEL)],
        "corrected": corrected,
        "broken": broken,
        "mcnemar_p": float(binomtest(corrected, changed).pvalue) if changed else 1.0,
    }


@dataclass(frozen=True)
class ChangedPair:
    """How many images of class `true` were taken for class `predicted`, before and now."""

    true: int
    predicted: int
    before: int
    now: int


def changed_pairs(
    labels: NDArray[np.integer[Any]],
    predicted: NDArray[np.int64],
    before: NDArray[np.int64],
    limit: int,
) -> list[ChangedPair]:
    """Confusions whose number changed most, largest change first, then by class index."""
    truth = labels.tolist()
    now, then = (Counter(zip(truth, p.tolist(), strict=True)) for p in (predicted, before))
    pairs = {pair: now[pair] - then[pair] for pair in now | then if pair[0] != pair[1]}
    most = sorted((pair for pair in pairs if pairs[pair]), key=lambda p: (-abs(pairs[p]), p))
    return [ChangedPair(*pair, then[pair], now[pair]) for pair in most[:limit]]


def seed_spread(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Mean and standard deviation (n - 1) of top-1 accuracy over the seeds of few-shot supports.

    Args:
        rows: runs; those with a `seed` are grouped by all that names them but the seed.
    """
    groups: dict[tuple[Any, ...], list[Mapping[str, Any]]] = defaultdict(list)
    names = ("encoder", "method", "text", "support", "protocol", "tuned_on")
    for row in rows:
        if row["seed"] is not None:
            groups[tuple(row[name] for name in names)].append(row)
    return [
        dict(zip(names, key, strict=True))
        | {
            "n_seeds": len(group),
            "support_size": group[0]["support_size"],
            "top1_mean": round(mean(row["top1"] for row in group), 3),
            "top1_std": round(stdev(row["top1"] for row in group), 3) if len(group) > 1 else None,
        }
        for key, group in groups.items()
    ]


def per_class_accuracy(
    correct: Correct, labels: NDArray[np.integer[Any]], n_classes: int
) -> list[float | None]:
    """Accuracy of every class in percent, None for classes without images."""
    totals = np.bincount(labels, minlength=n_classes)
    hits = np.bincount(labels, weights=correct, minlength=n_classes)
    return [
        round(100 * float(hit) / int(total), 3) if total else None
        for hit, total in zip(hits, totals, strict=True)
    ]
