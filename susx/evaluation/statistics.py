"""Accuracies of classes, of few-shot seeds, and of two classifiers on the same images."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

import numpy as np
from numpy.typing import NDArray

from susx.evaluation.intervals import difference_interval, percent

Correct = NDArray[np.bool_]


def paired_difference(correct: Correct, reference: Correct) -> dict[str, Any]:
    """Difference of two classifiers' accuracies on the same images, in points.

    Returns:
        Mean, 95 % interval, numbers of corrected and broken images, and the two-sided p-value of
        McNemar's exact test (McNemar, Psychometrika 1947): given their sum, are the two numbers
        those of a fair coin?
    """
    from scipy.special import bdtr

    n = len(correct)
    corrected = int((correct & ~reference).sum())
    broken = int((reference & ~correct).sum())
    tail = float(bdtr(min(corrected, broken), corrected + broken, 0.5))
    return {
        "mean": percent(corrected - broken, n),
        "ci95": difference_interval(corrected, broken, n),
        "corrected": corrected,
        "broken": broken,
        # Two tails of an even split share the middle, and without a change all is in it.
        "mcnemar_p": min(1.0, 2 * tail),
    }


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values that hold for all of several tests together (Holm, Scand. J. Stat. 1979).

    If all hypotheses are true, the least of them is below 0.05 with a probability of 0.05 at most,
    however the tests depend on one another: the least p-value counts as often as there are tests,
    the next one time less, and none counts less than one that is smaller.
    """
    n = len(p_values)
    adjusted, least = [0.0] * n, 0.0
    for place, test in enumerate(sorted(range(n), key=p_values.__getitem__)):
        least = max(least, min(1.0, (n - place) * p_values[test]))
        adjusted[test] = least
    return adjusted


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
