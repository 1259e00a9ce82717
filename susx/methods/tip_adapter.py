"""Tip-Adapter: a cache vote by image-image similarity (Zhang et al., ECCV 2022, eq. 4)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from susx.methods.base import Axis, Context, Images, Method, Terms, zero_shot_logits

if TYPE_CHECKING:
    from torch import Tensor


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


TIP_ADAPTER = Method(
    name="tip-adapter",
    paper="Zhang et al., Tip-Adapter, ECCV 2022",
    terms=terms,
    needs=("support",),
    votes_of=votes_of,
    grid={
        "alpha": Axis(0.1, 50.0, 20, scaled=True),
        "beta": Axis(0.1, 50.0, 200),
    },
    fixed={"alpha": 1.0, "beta": 5.5},
)
