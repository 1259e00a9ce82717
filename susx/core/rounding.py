"""How numbers are shown: rounded in decimal, halves away from zero."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

NOISE_PLACES = 9
"""Decimals that count: a percentage of fewer than 10 ** 8 images is no closer to a half than that
unless it is one, and sums of a few percentages err by less."""


def decimal(value: float, places: int = 1, sign: bool = False) -> str:
    """A number with so many decimals: 85.35 is 85.4 and 84.15 is 84.2, as on paper.

    Formatting a float rounds its binary value, which may lie on either side of such a half.
    """
    exact = Decimal(f"{value:.{NOISE_PLACES}f}")
    rounded = exact.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
    return f"{rounded:{'+' if sign else ''}f}"
