"""ProKeR: kernel ridge regression on the support set, with the text as prior (CVPR 2025).

`f T' + k(f, F) A` with `A = (k(F, F) / lambda + I)^-1 (L - F T')` and the kernel
`k(a, b) = exp(-beta (1 - a b'))`. Cosines are plain and labels one-hot: it is what they differ by
that is regressed. All of it is then multiplied by the encoder's scale, which changes no rank.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from susx.core.errors import InputError
from susx.methods.base import (
    Context,
    Images,
    Method,
    Points,
    Terms,
    in_double,
    row_blocks,
    zero_shot_logits,
)
from susx.methods.classes import left_to_text
from susx.methods.once import once

if TYPE_CHECKING:
    from torch import Tensor

MOST_SUPPORT = 2**14
"""Support images whose kernel, M x M in float64, takes 2 GiB. Its factor takes its place."""


def ridge_weights(context: Context, beta: float, ridge: float) -> Tensor:
    """(M, C) weights A, in float64.

    Raises:
        InputError: if support features and labels differ in number, or values leave a system
            that has no such factor.
    """
    import torch

    support, labels = in_double(context.required_support), context.required_labels
    residuals = -support @ in_double(context.text).T
    residuals[range(len(labels)), labels.to(residuals.device)] += 1
    system = (support @ support.T).sub_(1).mul_(beta).exp_().div_(ridge)
    system.diagonal().add_(1)
    factor = system.mT  # symmetric; columns in sequence are what LAPACK works on without a copy
    place = torch.zeros((), dtype=torch.int32, device=factor.device)
    torch.linalg.cholesky_ex(factor, out=(factor, place))
    if place:  # of what is not positive
        raise InputError(
            f"proker: beta {beta:g} and gamma {ridge:g} leave no system that can be solved; both "
            "have to be above 0 under evaluation.fixed and evaluation.grid"
        )
    half = torch.linalg.solve_triangular(factor, residuals, upper=False)
    weights: Tensor = torch.linalg.solve_triangular(factor.mT, half, upper=True)
    return weights


def terms(context: Context, images: Images) -> Terms:
    """`s f T' + s k(f, F) A`; the point is (beta, lambda), each solved once."""
    features, support = images.features, context.required_support
    counts = context.required_labels.bincount(minlength=context.n_classes)

    @once
    def weights(point: tuple[float, ...]) -> Tensor:
        return ridge_weights(context, *point).to(features)

    def votes(rows: slice, points: Sequence[tuple[float, ...]]) -> Tensor:
        block = features[rows]
        made = block.new_empty(len(points), len(block), context.n_classes)
        for part in row_blocks(len(block), len(support)):
            distance = 1 - block[part] @ support.T
            for scores, point in zip(made[:, part], points, strict=True):
                scores[:] = (-point[0] * distance).exp_() @ weights(point)
        return left_to_text(made.mul_(context.logit_scale), counts)

    return Terms(zero_shot_logits(context, features), votes, ("beta", "gamma"))


PROKER = Method(
    name="proker",
    paper="Bendou et al., ProKeR: A Kernel Perspective on Few-Shot Adaptation of Large "
    "Vision-Language Models, CVPR 2025",
    terms=terms,
    needs=("support",),
    most_support=MOST_SUPPORT,
    pair_bytes=8,
    # The published pairs for 1, 2, 4, 8 and 16 images per class, of all datasets; gamma is lambda.
    grid={"beta": Points((1.5, 1.66, 1.7, 2.6, 3.0)), "gamma": Points((0.05, 0.07, 0.1))},
    fixed={"beta": 1.7, "gamma": 0.1},
)
