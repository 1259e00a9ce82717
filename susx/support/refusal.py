"""Candidates refused for what their pool says about them: unsafe, watermarked.

Pools publish the guesses of classifiers as columns, such as LAION's `punsafe` and `pwatermark`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

Limits = Mapping[str, float | str]
REFUSED: Final = "refused: "


def refusal(metadata: str, limits: Limits) -> str:
    """Why a candidate is refused, or nothing.

    Args:
        metadata: JSON object of columns of its pool, or nothing.
        limits: by column, the largest number allowed, or the text that is not; columns that a
            candidate lacks do not count.
    """
    if not metadata or not limits:
        return ""
    known = json.loads(metadata)
    for column, limit in limits.items():
        value = known.get(column)
        if isinstance(limit, str):
            bad = isinstance(value, str) and value.casefold() == limit.casefold()
        else:
            bad = isinstance(value, int | float) and value > limit
        if bad:
            return f"{REFUSED}{column}"
    return ""
