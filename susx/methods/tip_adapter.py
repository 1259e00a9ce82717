"""Tip-Adapter: a cache vote by image-image similarity (Zhang et al., ECCV 2022, eq. 4)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from susx.methods.base import (
    Axis,
    Context,
    Fit,
    Grown,
    Images,
    Method,
    Terms,
    row_blocks,
    zero_shot_logits,
)

if TYPE_CHECKING:
    from torch import Tensor

SUPPORT_ROWS = 1024
"""Support images of a block of cosines, which then has four times as many images.

With 1,024 dimensions on a CPU the sums of votes then take a tenth of the product's time.
"""


def cache_votes(
    context: Context, features: Tensor, scores: Tensor | None = None
) -> Callable[[slice, Sequence[tuple[float, ...]]], Tensor]:
    """Votes `exp(-beta (1 - f F')) diag(exp(scale s)) L` as a function of rows and points.

    Args:
        context: text, support set and its labels.
        features: (N, d) unit rows.
        scores: (M,) scores s of the support images; then points are (beta, scale), otherwise
            (beta,) and all images weigh the same.
    """
    from susx.methods.votes import group_by_class, votes_at

    support, labels = context.required_support, context.required_labels
    groups = group_by_class(support, labels, context.n_classes, scores)

    def votes(rows: slice, points: Sequence[tuple[float, ...]]) -> Tensor:
        return votes_at(features[rows], groups, context.n_classes, points)

    return votes


def votes_of(context: Context, features: Tensor, values: Mapping[str, float]) -> Tensor:
    """`alpha exp(-beta (1 - f F'))`: (N, M), before the sum over each class."""
    distance = 1 - features @ context.required_support.T
    return values["alpha"] * (-values["beta"] * distance).exp()


def terms(context: Context, images: Images) -> Terms:
    """`s f W' + alpha exp(-beta (1 - f F')) L`."""
    f = images.features
    return Terms(zero_shot_logits(context, f), cache_votes(context, f), ("beta",))


def place_blocks(places: Tensor) -> Iterator[Tensor]:
    """Places of support images, `SUPPORT_ROWS` at a time."""
    for start in range(0, len(places), SUPPORT_ROWS):
        yield places[start : start + SUPPORT_ROWS]


def support_blocks(context: Context, part: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Rows and classes of the support images at some places, block by block."""
    for some in place_blocks(part):
        yield context.required_support.index_select(0, some), context.required_labels[some]


def cosine_blocks(support: Tensor, features: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Slices of (N, d) unit rows, and their (M, n) cosines with some support images.

    All come in one buffer, since memory given back piece by piece would grow with N x M all the
    same: what is yielded may be overwritten, and is valid until the next.
    """
    import torch

    buffer = features.new_empty(0)
    for rows in row_blocks(len(features), SUPPORT_ROWS):
        block = buffer.resize_(len(support), len(features[rows]))
        yield rows, torch.mm(support, features[rows].T, out=block)


def add_votes(votes: Tensor, cosines: Tensor, labels: Tensor, beta: float) -> None:
    """Add `exp(-beta (1 - F f'))` of (M, n) cosines, which are lost, to (C, n) votes."""
    votes.index_add_(0, labels, cosines.sub_(1).mul_(beta).exp_())


def growing(fitted: Fit, images: Images, parts: Sequence[Tensor]) -> Iterator[Grown]:
    """The logits with each part of the support set added; see `Method.growing`."""
    context, values, features = fitted.context, fitted.hyperparameters, images.features
    zero_shot = zero_shot_logits(context, features)
    votes = zero_shot.new_zeros(zero_shot.shape[::-1])
    for n_parts, part in enumerate(parts, 1):
        for support, labels in support_blocks(context, part):
            for rows, block in cosine_blocks(support, features):
                add_votes(votes[:, rows], block, labels, values["beta"])
        for rows in row_blocks(*zero_shot.shape):
            yield Grown(n_parts, rows, zero_shot[rows] + values["alpha"] * votes[:, rows].T)


TIP_ADAPTER = Method(
    name="tip-adapter",
    paper="Zhang et al., Tip-Adapter, ECCV 2022",
    terms=terms,
    needs=("support",),
    votes_of=votes_of,
    growing=growing,
    grid={
        "alpha": Axis(0.1, 50.0, 20, scaled=True),
        "beta": Axis(0.1, 50.0, 200),
    },
    fixed={"alpha": 1.0, "beta": 5.5},
)
