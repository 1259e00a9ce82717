"""Classifiers compared over datasets, by their ranks (Demsar, J. Mach. Learn. Res. 2006).

Here a dataset is what an image is elsewhere: one draw of those that there might be. Accuracies of
different datasets have no common scale, ranks on them do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from susx.evaluation.intervals import CONFIDENCE
from susx.evaluation.statistics import holm

LEAST_CLASSIFIERS = 3
"""Friedman's test is one of more than two."""


@dataclass(frozen=True)
class MeanRanks:
    """Ranks of k classifiers on the same datasets.

    Attributes:
        ranks: (k,) mean rank, 1 for one that is best on every dataset; equal ones share theirs.
        friedman_p: p-value of Friedman's test (J. Am. Stat. Assoc. 1937) that all are equally good.
        critical_difference: of two mean ranks that differ at 95 % confidence for all pairs together
            (Nemenyi 1963).
    """

    ranks: list[float]
    friedman_p: float
    critical_difference: float


def mean_ranks(accuracies: NDArray[np.floating[Any]]) -> MeanRanks:
    """Rank classifiers on every dataset.

    Args:
        accuracies: (k, D) of k classifiers on D datasets.

    Raises:
        ValueError: if there are fewer than three classifiers, which Friedman's test needs.
    """
    from scipy.stats import friedmanchisquare, rankdata, studentized_range

    n_classifiers, n_datasets = accuracies.shape
    ranks = rankdata(-accuracies, axis=0).mean(axis=1)
    # On no dataset does one differ from another.
    alike = bool((accuracies == accuracies[0]).all())
    p = 1.0 if alike else float(friedmanchisquare(*accuracies).pvalue)
    # Nemenyi's statistic is the studentised range of means of infinitely many values.
    widest = float(studentized_range.ppf(CONFIDENCE, n_classifiers, inf)) / sqrt(2)
    error = sqrt(n_classifiers * (n_classifiers + 1) / (6 * n_datasets))
    return MeanRanks([float(rank) for rank in ranks], p, widest * error)


def signed_rank_p(differences: Sequence[Sequence[float]]) -> list[float]:
    """Two-sided p-values of Wilcoxon's signed-rank test (Biometrics Bull. 1945), by classifier.

    They hold for all classifiers together, by Holm. Of fewer than six datasets none can be below
    0.05.

    Args:
        differences: of every classifier's accuracy to a reference, one per dataset.
    """
    from scipy.stats import wilcoxon

    return holm([float(wilcoxon(own).pvalue) if any(own) else 1.0 for own in differences])
