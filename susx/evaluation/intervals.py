"""Confidence intervals of accuracies and their differences, from counts alone.

Nothing is drawn at random. A bootstrap of 18 right images of 18 is certain that all others are
right, too, and one of two classifiers that differ in no image that they never differ.
docs/statistics.md has the coverage of these intervals beside that of others.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import hypot, sqrt

CONFIDENCE = 0.95
"""Of all intervals, as is usual."""
BOUNDS = 0.0, 100.0
DIFFERENCE_BOUNDS = -100.0, 100.0
"""What an accuracy in percent, and a difference of two, cannot leave."""


def percent(count: int, n: int) -> float:
    """A count of n in percent; integers are divided, so that 1707 of 2000 is 85.35."""
    return 100 * int(count) / int(n)


def accuracy_interval(correct: int, n: int) -> list[float]:
    """95 % interval of an accuracy in percent (Clopper and Pearson, Biometrika 1934).

    It covers the true accuracy in at least 95 % of all samples, for any number of images and any
    accuracy.
    """
    from scipy.special import betaincinv

    k, tail = int(correct), (1 - CONFIDENCE) / 2
    low = float(betaincinv(k, n - k + 1, tail)) if k else 0.0
    high = float(betaincinv(k + 1, n - k, 1 - tail)) if k < n else 1.0
    return [100 * low, 100 * high]


def difference_interval(corrected: int, broken: int, n: int) -> list[float]:
    """95 % interval of the difference of two accuracies on the same n images, in points.

    The difference is that of two shares of the images: those that only the first classifier gets
    right, and those that only the second does. Their exact intervals are joined as their errors
    add up (square-and-add: Newcombe, Stat. Med. 1998; Zou and Donner, Stat. Med. 2008), with the
    correlation of two counts of one multinomial draw, which is negative.

    Args:
        corrected: images that only the first gets right.
        broken: images that only the second gets right.
        n: all images.
    """
    first, second = percent(corrected, n), percent(broken, n)
    low, high = accuracy_interval(corrected, n)
    other_low, other_high = accuracy_interval(broken, n)
    odds = [share / (100 - share) for share in (first, second) if share < 100]
    # If all images are of one kind, none are of the other, and nothing varies together.
    correlation = -sqrt(odds[0] * odds[1]) if len(odds) == 2 else 0.0
    below = _joined(first - low, other_high - second, correlation)
    above = _joined(high - first, second - other_low, correlation)
    mean = first - second
    return _within([mean - below, mean + above], DIFFERENCE_BOUNDS)


def mean_interval(
    means: Sequence[float],
    intervals: Sequence[Sequence[float]],
    bounds: tuple[float, float] = BOUNDS,
) -> list[float]:
    """95 % interval of the mean of independent values from the interval of each.

    Their errors add up as in `difference_interval`. It is one for these values, such as the
    accuracies on these datasets: it covers the sampling of their images, not that of datasets.

    Args:
        means: the values.
        intervals: low and high end of each.
        bounds: what no value can leave.
    """
    pairs = list(zip(means, intervals, strict=True))
    centre = sum(means) / len(means)
    below = hypot(*(mean - low for mean, (low, _) in pairs)) / len(pairs)
    above = hypot(*(high - mean for mean, (_, high) in pairs)) / len(pairs)
    return _within([centre - below, centre + above], bounds)


def _joined(one: float, other: float, correlation: float) -> float:
    """Length of the sum of two errors that stand at an angle."""
    return sqrt(one * one - 2 * correlation * one * other + other * other)


def _within(interval: list[float], bounds: tuple[float, float]) -> list[float]:
    return [min(max(end, bounds[0]), bounds[1]) for end in interval]
