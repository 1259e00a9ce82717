"""How far posteriors leave a class open."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def entropies(log_posteriors: Tensor) -> Tensor:
    """(N,) entropies of (N, C) log-probabilities, in nats."""
    return -(log_posteriors.exp() * log_posteriors).sum(dim=1)
