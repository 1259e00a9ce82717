"""How often 95 % intervals contain the truth: exactly, by summing over all outcomes.

`python -m tests.benchmarks.bench_coverage` prints the two tables of docs/statistics.md.

An accuracy is one of 199 true ones, from 0.5 to 99.5 %; an outcome is the number of right images.
Two classifiers on the same n images differ in a share of them: 0 to 12 images are expected to be
corrected, and no more of them broken, in steps of a half; an outcome is the two numbers. Nothing is
drawn, but for the bootstrap of a difference, with a seed.
"""

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom, multinomial, norm

from susx.evaluation.intervals import CONFIDENCE, accuracy_interval, difference_interval

SIZES = (10, 50, 200, 2000)
TAIL = (1 - CONFIDENCE) / 2
Z = float(norm.ppf(1 - TAIL))
TRUE = np.arange(1, 200) / 200
EXPECTED = np.arange(0, 12.5, 0.5)
MOST = 45
"""Changed images of a kind that are summed over: 12 expected ones are 46 once in 10 ** 12."""
DRAWS = 1000
NEAR = 1e-9
"""Points that an end may miss the truth by, for rounding."""

Ends = NDArray[np.float64]
Interval = Callable[..., Sequence[float]]


def wilson(k: int, n: int) -> list[float]:
    """Wilson's score interval of a share, in percent."""
    centre, spread = (k + Z * Z / 2) / (n + Z * Z), Z / (n + Z * Z)
    half = spread * np.sqrt(k * (n - k) / n + Z * Z / 4)
    return [100 * (centre - half), 100 * (centre + half)]


def resampled(k: int, n: int) -> list[float]:
    """Percentiles of the accuracy of images that are drawn with replacement, in percent."""
    return [100 * float(binom.ppf(tail, n, k / n)) / n for tail in (TAIL, 1 - TAIL)]


def tango(corrected: int, broken: int, n: int) -> list[float]:
    """Tango's score interval of a paired difference (Stat. Med. 1998), in points, by bisection."""

    def score(difference: float) -> float:
        linear = -corrected - broken + (2 * n - corrected + broken) * difference
        constant = -broken * difference * (1 - difference)
        share = (np.sqrt(linear * linear - 8 * n * constant) - linear) / (4 * n)
        variance = n * (2 * share + difference * (1 - difference))
        gap = corrected - broken - n * difference
        return float(gap / np.sqrt(variance)) if variance > 0 else float(np.sign(gap)) * np.inf

    ends = []
    for sign in (-1.0, 1.0):
        inside, outside = (corrected - broken) / n, sign
        for _ in range(50):
            middle = (inside + outside) / 2
            within = abs(score(middle)) <= Z
            inside, outside = (middle, outside) if within else (inside, middle)
        ends.append(100 * inside)
    return ends


def adjusted_wald(corrected: int, broken: int, n: int) -> list[float]:
    """Wald's interval with an image more of both kinds (Bonett and Price 2012), in points."""
    first, second = (corrected + 1) / (n + 2), (broken + 1) / (n + 2)
    half = Z * np.sqrt((first + second - (first - second) ** 2) / (n + 2))
    return [100 * (first - second - half), 100 * (first - second + half)]


def resampled_pairs(corrected: int, broken: int, n: int) -> list[float]:
    """Percentiles of the difference on pairs that are drawn with replacement, in points."""
    shares = np.array([broken, n - corrected - broken, corrected]) / n
    draws = np.random.default_rng(0).multinomial(n, shares, DRAWS)
    ends = np.percentile(100 * (draws[:, 2] - draws[:, 0]) / n, (100 * TAIL, 100 - 100 * TAIL))
    return [float(end) for end in ends]


ACCURACIES: Mapping[str, Interval] = {
    "Clopper-Pearson (here)": lambda k, n: accuracy_interval(k, n),
    "Wilson": wilson,
    "bootstrap": resampled,
}
DIFFERENCES: Mapping[str, Interval] = {
    "square-and-add (here)": lambda c, b, n: difference_interval(c, b, n),
    "Tango's score": tango,
    "Bonett-Price": adjusted_wald,
    "bootstrap": resampled_pairs,
}


def covered(ends: Ends, weights: Ends, truth: Ends) -> Ends:
    """Share of the outcomes whose interval contains the truth, for every truth.

    Args:
        ends: (K, 2) interval of every outcome.
        weights: (T, K) probability of every outcome under every truth.
        truth: (T,) true values.
    """
    inside = (ends[:, 0] <= truth[:, None] + NEAR) & (truth[:, None] - NEAR <= ends[:, 1])
    found: Ends = (weights * inside).sum(axis=1)
    return found


def accuracies(n: int) -> Iterator[tuple[str, Ends, float]]:
    """Coverage of every true accuracy, and mean width, by interval."""
    outcomes = np.arange(n + 1)
    weights = binom.pmf(outcomes, n, TRUE[:, None])
    for name, interval in ACCURACIES.items():
        ends = np.array([interval(int(k), n) for k in outcomes])
        width = float((weights @ (ends[:, 1] - ends[:, 0])).mean())
        yield name, covered(ends, weights, 100 * TRUE), width


def differences(n: int) -> Iterator[tuple[str, Ends, float]]:
    """Coverage of every pair of true shares, and mean width, by interval."""
    most = min(n, MOST)
    outcomes = np.array([(c, b) for c, b in product(range(most + 1), repeat=2) if c + b <= n])
    shares = np.array([(c / n, b / n) for c, b in product(EXPECTED, repeat=2) if b <= c < n - b])
    cells = np.column_stack([outcomes, n - outcomes.sum(axis=1)])
    weights = np.array([multinomial.pmf(cells, n, [c, b, 1 - c - b]) for c, b in shares])
    for name, interval in DIFFERENCES.items():
        ends = np.array([interval(int(c), int(b), n) for c, b in outcomes])
        width = float((weights @ (ends[:, 1] - ends[:, 0])).mean())
        yield name, covered(ends, weights, 100 * (shares[:, 0] - shares[:, 1])), width


def rows(kind: Callable[[int], Iterator[tuple[str, Ends, float]]], n: int) -> Iterator[str]:
    """Rows of Markdown: least and mean coverage in percent, and mean width in points."""
    for name, coverage, width in kind(n):
        least, mean = 100 * coverage.min(), 100 * coverage.mean()
        yield f"| {n:,} | {name} | {least:.1f} | {mean:.1f} | {width:.2f} |"


def main() -> None:
    """Print both tables."""
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    for kind in (accuracies, differences):
        print("| images | interval | least | mean | width |\n|---|---|---|---|---|")
        print("\n".join(row for n in SIZES for row in rows(kind, n)), end="\n\n")


if __name__ == "__main__":
    main()
