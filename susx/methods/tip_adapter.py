"""Tip-Adapter: a cache vote by image-image similarity (Zhang et al., ECCV 2022, eq. 4)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from susx.methods.base import Axis, Context, Method, Terms, zero_shot_terms

if TYPE_CHECKING:
    from torch import Tensor

BLOCK_ELEMENTS = 2**24
"""Entries of the N x M affinity matrix held at once."""


def row_blocks(n_rows: int, n_support: int) -> Iterator[slice]:
    """Cut test rows so that a block of the affinity matrix has `BLOCK_ELEMENTS` entries."""
    size = max(1, BLOCK_ELEMENTS // max(1, n_support))
    for start in range(0, n_rows, size):
        yield slice(start, min(start + size, n_rows))


def cache_vote(context: Context, features: Tensor, beta: float) -> Tensor:
    """`exp(-beta (1 - f F')) L`: (N, C) votes of the support images."""
    support, labels = context.required_support, context.one_hot
    votes = features.new_empty(len(features), context.n_classes)
    for rows in row_blocks(len(features), len(support)):
        affinity = features[rows] @ support.T
        votes[rows] = affinity.sub_(1).mul_(beta).exp_() @ labels
    return votes


def terms(context: Context, features: Tensor) -> Terms:
    """`s f W' + alpha exp(-beta (1 - f F')) L`."""
    return Terms(
        zero_shot_terms(context, features).zero_shot,
        vote=lambda beta: cache_vote(context, features, beta),
    )


TIP_ADAPTER = Method(
    name="tip-adapter",
    paper="Zhang et al., Tip-Adapter, ECCV 2022",
    terms=terms,
    needs_support=True,
    grid={
        "alpha": Axis(0.1, 50.0, 20, scaled=True),
        "beta": Axis(1.0, 50.0, 200),
    },
    fixed={"alpha": 1.0, "beta": 5.5},
)
