"""How long a server asks to wait before it is asked again: the header `Retry-After`."""

from __future__ import annotations

import re
import time
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

SECONDS: Final = re.compile(r"\d+(\.\d+)?", re.ASCII)
"""Whole seconds in RFC 9110; some servers send fractions."""


def asked_pause(wanted: str | None) -> float | None:
    """Seconds that a `Retry-After` asks for, as a number or a date.

    Args:
        wanted: its value, or None without one.

    Returns:
        Seconds from now, not negative, infinite if no float is as large; None if it says neither.
    """
    text = (wanted or "").strip()
    if SECONDS.fullmatch(text):
        return float(text)
    try:
        date = parsedate_to_datetime(text)
        date = date if date.tzinfo else date.replace(tzinfo=UTC)  # HTTP has no other zone
        return max(date.timestamp() - time.time(), 0.0)
    except (ValueError, OverflowError):
        return None
