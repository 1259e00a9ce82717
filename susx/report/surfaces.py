"""Accuracy on the tuning images over two hyper-parameters at a time."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from susx.evaluation.case import Case
from susx.report.schema import Surface


def surfaces(evaluation: Mapping[str, Any], case: Case) -> Iterator[Surface]:
    """Surfaces of a case and of the same tuned otherwise, its own first.

    Args:
        evaluation: work/{dataset}/evaluation/{encoder}.json.
        case: a row of it.
    """
    planes = [plane for plane in evaluation["planes"] if _same_but_for_tuning(Case.of(plane), case)]
    for plane in sorted(planes, key=lambda plane: plane["protocol"] != case.protocol):
        yield accuracy_surface(plane)


def _same_but_for_tuning(one: Case, case: Case) -> bool:
    return one.model_copy(update={"protocol": case.protocol}) == case


def accuracy_surface(plane: Mapping[str, Any]) -> Surface:
    """The surface of a plane of an evaluation."""
    n = plane["n_images"]
    shares = np.array(plane["correct"]) / n
    least = plateau(shares, n)
    return Surface(
        case=Case.of(plane),
        **{key: plane[key] for key in ("tuned_on", "x", "y", "x_values", "y_values", "chosen")},
        accuracy=(100 * shares).tolist(),
        plateau=100 * least,
        plateau_share=float((shares >= least).mean()),
    )


def plateau(shares: NDArray[np.float64], n: int) -> float:
    """The best of some shares of n images, less one standard error."""
    best = float(shares.max())
    return max(0.0, best - math.sqrt(best * (1 - best) / n))
