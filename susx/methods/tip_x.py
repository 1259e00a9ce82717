"""TIP-X: Tip-Adapter plus an image-text affinity (SuS-X, Udandarao et al., ICCV 2023, eq. 5-8).

Test and support images are compared through their class distributions
`p = softmax(f W' / T)`, `q = softmax(F W' / T)` by `D_ij = KL(p_i || q_j)`. `S` is D mapped from
its own range to that of the cosines `f F'`, and `S L` lowers the logits of distant classes.

Written out, `D = h 1' - p log(q)'` with `h_i = sum_c p_ic log p_ic`, and S is affine in D. So
`S L` needs only the sums of `log q` over each class, and the N x M matrices only their ranges,
which are found block by block.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from susx.methods.base import Axis, Context, Method, Terms, row_blocks, zero_shot_terms
from susx.methods.tip_adapter import cache_votes

if TYPE_CHECKING:
    from torch import Tensor

TEMPERATURE = 0.5
MIN_WIDTH = 2048
"""Blocks of a matrix product that are about square are the fastest."""


def affinity_penalty(context: Context, features: Tensor) -> Tensor:
    """`S L`: (N, C), the rescaled KL divergences summed over each class's support images."""
    import torch

    support, labels, text = context.required_support, context.required_labels, context.text
    # Adding log C to both logarithms changes no divergence and keeps them near 0: less rounding.
    shift = math.log(context.n_classes)
    log_p = (features @ text.T / TEMPERATURE).log_softmax(dim=1)
    p = log_p.exp()
    negentropy = log_p.add_(shift).mul_(p).sum(dim=1, keepdim=True)
    del log_p

    class_sums = p.new_zeros(context.n_classes, len(text))
    # Blocks share a buffer: memory given back piece by piece would grow with N x M all the same.
    buffer = p.new_empty(0)
    cosines, divergences = (p.new_tensor([torch.inf, -torch.inf]) for _ in range(2))
    for part in row_blocks(len(support), max(len(text), MIN_WIDTH)):
        log_q = (support[part] @ text.T / TEMPERATURE).log_softmax(dim=1).add_(shift)
        class_sums.index_add_(0, labels[part], log_q)
        for rows in row_blocks(len(features), len(log_q)):
            block = buffer.resize_(len(p[rows]), len(log_q))
            _widen(cosines, torch.mm(features[rows], support[part].T, out=block))
            torch.addmm(negentropy[rows], p[rows], log_q.T, alpha=-1, out=block)
            _widen(divergences, block)
    (low, high), (nearest, farthest) = cosines, divergences

    # A constant D carries no information: every S is then the low end of the range.
    spread = farthest - nearest
    slope = (high - low) / spread if spread > 0 else spread
    counts = labels.bincount(minlength=context.n_classes).to(p.dtype)
    summed = torch.addcmul(-(p @ class_sums.T), negentropy, counts)
    return summed.sub_(nearest * counts).mul_(slope).add_(low * counts)


def _widen(extent: Tensor, values: Tensor) -> None:
    """Widen (lowest, highest) to hold all values, in place."""
    import torch

    lowest, highest = values.aminmax()
    torch.minimum(extent[0], lowest, out=extent[0])
    torch.maximum(extent[1], highest, out=extent[1])


def terms(context: Context, features: Tensor) -> Terms:
    """`s f W' + alpha exp(-beta (1 - f F')) L - gamma S L`."""
    return Terms(
        zero_shot_terms(context, features).zero_shot,
        cache_votes(context, features),
        ("beta",),
        affinity_penalty(context, features),
    )


TIP_X = Method(
    name="tip-x",
    paper="Udandarao, Gupta, Albanie, SuS-X: Training-Free Name-Only Transfer of "
    "Vision-Language Models, ICCV 2023",
    terms=terms,
    needs_support=True,
    grid={
        "alpha": Axis(0.1, 50.0, 20, scaled=True),
        "beta": Axis(1.0, 50.0, 200),
        "gamma": Axis(0.1, 30.0, 50, scaled=True),
    },
    fixed={"alpha": 3.0, "beta": 5.5, "gamma": 0.5},
)
