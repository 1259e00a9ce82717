"""Accuracies and their uncertainty."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

import numpy as np
from numpy.typing import NDArray

Correct = NDArray[np.bool_]
CONFIDENCE = 0.95
LEVEL = (2.5, 97.5)
"""Confidence of all intervals, as is usual, and the percentiles that it lies between."""


def percent(count: int, n: int) -> float:
    """A count of n in percent; integers are divided, so that 1707 of 2000 is 85.35."""
    return 100 * int(count) / int(n)


def accuracy_interval(correct: Correct) -> list[float]:
    """95 % interval of accuracy in percent (Clopper and Pearson, Biometrika 1934).

    It holds for any number of images and for any accuracy: where all images are right, a
    bootstrap would be certain that all others are too.
    """
    from scipy.stats import binomtest

    found = binomtest(int(correct.sum()), len(correct)).proportion_ci(CONFIDENCE, "exact")
    return [100 * float(found.low), 100 * float(found.high)]


def paired_difference(
    correct: Correct, reference: Correct, samples: int, seed: int
) -> dict[str, Any]:
    """Difference of two classifiers' accuracies on the same images, in points.

    Per image the difference is -1, 0 or 1, so a bootstrap sample is a multinomial draw of how
    many images were broken, unchanged and corrected. One image is added to the broken and one to
    the corrected ones before (Bonett and Price, J. Educ. Behav. Stat. 2012): of few images, some
    that change may not have been met yet.

    Returns:
        Mean, 95 % paired-bootstrap interval, numbers of corrected and broken images, and the
        two-sided p-value of McNemar's exact test (McNemar, Psychometrika 1947): given their sum,
        are the two numbers those of a fair coin?
    """
    from scipy.stats import binomtest

    n = len(correct)
    difference = correct.astype(int) - reference.astype(int)
    broken, same, corrected = (int(k) for k in np.bincount(difference + 1, minlength=3))
    shares = np.array([broken + 1, same, corrected + 1]) / (n + 2)
    draws = np.random.default_rng(seed).multinomial(n + 2, shares, samples)
    values = 100 * (draws[:, 2] - draws[:, 0]) / (n + 2)
    changed = corrected + broken
    return {
        "mean": percent(corrected - broken, n),
        "ci95": [float(value) for value in np.percentile(values, LEVEL)],
        "corrected": corrected,
        "broken": broken,
        # Without a change there is nothing that a fair coin could not do.
        "mcnemar_p": float(binomtest(corrected, changed).pvalue) if changed else 1.0,
    }


@dataclass(frozen=True)
class PairCounts:
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
) -> list[PairCounts]:
    """Confusions whose number changed most, largest change first, then by class index."""
    truth = labels.tolist()
    now, then = (Counter(zip(truth, p.tolist(), strict=True)) for p in (predicted, before))
    pairs = {pair: now[pair] - then[pair] for pair in now | then if pair[0] != pair[1]}
    most = sorted((pair for pair in pairs if pairs[pair]), key=lambda p: (-abs(pairs[p]), p))
    return [PairCounts(*pair, then[pair], now[pair]) for pair in most[:limit]]


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
            "top1_mean": fmean(row["top1"] for row in group),
            "top1_std": stdev(row["top1"] for row in group) if len(group) > 1 else None,
        }
        for key, group in groups.items()
    ]


def per_class_accuracy(
    correct: Correct, labels: NDArray[np.integer[Any]], n_classes: int
) -> list[float | None]:
    """Accuracy of every class in percent, None for classes without images."""
    totals = np.bincount(labels, minlength=n_classes)
    hits = np.bincount(labels, weights=correct, minlength=n_classes)
    return [percent(hit, total) if total else None for hit, total in zip(hits, totals, strict=True)]


def mean_per_class(per_class: Sequence[float | None]) -> float | None:
    """Mean of the accuracies of all classes; None if one is unknown, for want of images."""
    known = [value for value in per_class if value is not None]
    return fmean(known) if len(known) == len(per_class) else None
