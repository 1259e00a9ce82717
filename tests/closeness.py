"""Floating point numbers that may differ by rounding alone."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

LANES = 4
"""Values of float32 that a matrix product adds up side by side; no processor has fewer."""


def random_walk(terms: int, lanes: int = 1) -> float:
    """Roundings to allow for where so many terms are added up on the way to a value.

    Adding a term rounds the sum by up to half an eps, up or down, 0.29 eps in the root mean
    square. After `terms` additions that makes 0.29 * sqrt(terms), and 0.41 * sqrt(terms) between
    two computations. The bound is five times that, which even a million values do not exceed.

    A matrix product adds up in `lanes` side by side, so that fewer additions follow one another.
    """
    return 2 * math.sqrt(terms / lanes)


def array(values: Any) -> NDArray[Any]:
    if isinstance(values, Tensor):
        return values.detach().cpu().numpy()
    return np.asarray(values)


def eps(values: NDArray[Any]) -> float:
    """Spacing of numbers at 1; anything else than floating point is exact to that of Python's."""
    kind = values.dtype if np.issubdtype(values.dtype, np.floating) else np.dtype(float)
    return float(np.finfo(kind).eps)


def roundings_between(actual: Any, expected: Any, scale: float | None = None) -> float:
    """Largest difference, in eps of the less precise type, relative to `scale`.

    The scale is that of a row, its largest magnitude: values of a row are sums of terms of one
    size, and a small one is as inexact as a large one. Where all terms may cancel, as in cosines,
    give the size of the terms.
    """
    made, wanted = array(actual), array(expected)
    assert made.shape == wanted.shape
    unit = max(eps(made), eps(wanted))
    made, wanted = made.astype(np.float64), wanted.astype(np.float64)
    sizes = np.abs(np.atleast_1d(wanted)).max(axis=-1) if scale is None else np.float64(scale)
    errors = np.abs(np.atleast_1d(made - wanted)).max(axis=-1)
    # A row of zeros is exact or infinitely wrong.
    ratios = np.where(errors == 0, 0.0, errors / np.maximum(unit * sizes, np.finfo(float).tiny))
    return float(ratios.max())


def close(actual: Any, expected: Any, roundings: float, scale: float | None = None) -> bool:
    """Whether values of the same shape differ by no more than so many roundings."""
    return roundings_between(actual, expected, scale) <= roundings


def assert_close(actual: Any, expected: Any, roundings: float, scale: float | None = None) -> None:
    """Assert that values of the same shape differ by no more than rounding.

    Args:
        actual: values of any floating type.
        expected: the same by other means.
        roundings: how many eps they may differ by: `random_walk` of the terms of all sums between
            inputs and values, or a half where a value is only stored in another type.
        scale: what an eps is relative to, the largest value of a row if not given.
    """
    found = roundings_between(actual, expected, scale)
    assert found <= roundings, f"differ by {found:.4g} roundings, not {roundings:.4g}"


def stored(decimals: int) -> float:
    """Largest error of a number that is stored with so many decimals."""
    return 0.501 * 10**-decimals
