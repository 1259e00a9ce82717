"""Candidates refused for what their pool says about them: unsafe, watermarked.

Pools publish the guesses of classifiers as columns, such as LAION's `punsafe` and `pwatermark`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Final

RefusalLimits = Mapping[str, float | str]
REFUSED: Final = "refused: "
UNREAD: Final = "metadata unreadable"
SET = ("true", "yes", "1")
"""Texts that a flag is turned into on its way through CSV files."""


def refusal(metadata: str | None, limits: RefusalLimits) -> str:
    """Why a candidate is refused, or nothing.

    Args:
        metadata: JSON object of columns of its pool, or nothing; None if they could not be read,
            which any limit refuses.
        limits: by column, the largest number allowed, or the text that is not; columns that a
            candidate lacks do not count. What cannot be compared is refused.
    """
    if metadata is None and limits:
        return f"{REFUSED}{UNREAD}"
    if not metadata or not limits:
        return ""
    known = json.loads(metadata)
    for column, limit in limits.items():
        value = known.get(column)
        if value is None or (isinstance(value, str) and not value.strip()):
            continue
        if _is_marked(value, limit) if isinstance(limit, str) else not _number(value) <= limit:
            return f"{REFUSED}{column}"
    return ""


def _is_marked(value: str | float, label: str) -> bool:
    """Whether a text is the label, or a flag is set."""
    if isinstance(value, str):
        return value.strip().casefold() in {label.strip().casefold(), *SET}
    return bool(value)


def _number(value: str | float) -> float:
    """The number that a text is, or one that is not a number."""
    try:
        return float(value)
    except ValueError:
        return math.nan
