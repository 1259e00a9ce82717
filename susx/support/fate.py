"""What became of a candidate of a support set."""

from __future__ import annotations

from typing import Literal

Fate = Literal[
    "kept", "outranked", "surplus", "duplicate", "refused", "disagrees", "flagged", "failed",
    "not tried",
]  # fmt: skip
