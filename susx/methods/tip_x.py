"""TIP-X: Tip-Adapter plus an image-text affinity (SuS-X, Udandarao et al., ICCV 2023, eq. 5-8).

Test and support images are compared through their class distributions
`p = softmax(f W' / T)`, `q = softmax(F W' / T)` by `D_ij = KL(p_i || q_j)`. `S` is D mapped from
its own range to that of the cosines `f F'`, and `S L` lowers the logits of distant classes.

Written out, `D = h 1' - p log(q)'` with `h_i = sum_c p_ic log p_ic`, and S is affine in D. So
`S L` needs only the sums of `log q` over each class, and the N x M matrices only their ranges,
which are found block by block, and from few of their rows (`susx.methods.extremes`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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
from susx.methods.classes import left_to_text
from susx.methods.extremes import SumRange, no_range, widen
from susx.methods.tip_adapter import (
    add_votes,
    cache_votes,
    cosine_blocks,
    support_blocks,
    votes_of,
)

if TYPE_CHECKING:
    from torch import Tensor

TEMPERATURE = 0.5
"""Of cosines, without a logit scale, as in the authors' code."""
MIN_WIDTH = 2048
"""Blocks of a matrix product that are about square are the fastest."""


@dataclass(frozen=True)
class Rescaling:
    """The map `S = low + slope (D - nearest)` from the range of D to that of the cosines."""

    low: Tensor
    slope: Tensor
    nearest: Tensor

    @classmethod
    def of(cls, cosines: Tensor, divergences: Tensor) -> Rescaling:
        """The map between (2,) ranges. A constant D, without information, is the low end."""
        (low, high), (nearest, farthest) = cosines, divergences
        spread = farthest - nearest
        return cls(low, (high - low) / spread if spread > 0 else spread, nearest)

    @property
    def constants(self) -> dict[str, Tensor]:
        """What `calibrate` gives."""
        import torch

        return {"rescaling": torch.stack([self.low, self.slope, self.nearest])}


class _Cosines(SumRange):
    """The range of `f F'` of (N, d) unit rows f and of added F.

    Less their mean, rows are shorter, and so is what rounding does to them.
    """

    def __init__(self, features: Tensor) -> None:
        self._features, self._mean = features, features.mean(dim=0, keepdim=True)
        own = features @ self._mean.T
        super().__init__(features, self._mean, own - self._mean @ self._mean.T)

    def add_support(self, support: Tensor, buffer: Tensor) -> None:
        """Add (M, d) unit rows F; the buffer holds what is worked out."""
        import torch

        def cosines(places: slice | Tensor) -> Tensor:
            some = self._features[places]
            return torch.mm(some, support.T, out=buffer.resize_(len(some), len(support)))

        self.add(support, self._mean, support @ self._mean.T, cosines)


class _Divergences(SumRange):
    """The range of `KL(p_i || q_j)` of all p, given by their `_distributions`, and of added q.

    Less 1 / C and less its mean, p and log q are small, and so is what rounding does to them.
    """

    def __init__(self, p: Tensor, negentropy: Tensor) -> None:
        self._p, self._negentropy = p, negentropy
        super().__init__(p, p.new_full((1, 1), 1 / p.shape[1]), negentropy)

    def add_support(self, log_q: Tensor, buffer: Tensor) -> None:
        """Add q by their (M, C) `_log_distributions`; the buffer holds what is worked out."""
        import torch

        surprise = -log_q
        means = surprise.mean(dim=1, keepdim=True)

        def divergences(places: slice | Tensor) -> Tensor:
            p, negentropy = self._p[places], self._negentropy[places]
            block = buffer.resize_(len(p), len(log_q))
            return torch.addmm(negentropy, p, surprise.T, out=block)

        self.add(surprise, means, means, divergences)


def rescaling(context: Context, features: Tensor) -> Rescaling:
    """Find the map over all pairs of (N, d) unit rows and support images, block by block."""
    support = context.required_support
    cosines, divergences = _Cosines(features), _Divergences(*_distributions(context, features))
    # Blocks share a buffer: memory given back piece by piece would grow with N x M all the same.
    buffer = features.new_empty(0)
    for part in row_blocks(len(support), max(context.n_classes, MIN_WIDTH)):
        cosines.add_support(support[part], buffer)
        divergences.add_support(_log_distributions(context, support[part]), buffer)
    return Rescaling.of(cosines.range, divergences.range)


def affinity_penalty(context: Context, features: Tensor, scale: Rescaling | None = None) -> Tensor:
    """`S L`: (N, C), the rescaled KL divergences summed over each class's support images.

    A class without support images gets the mean of the others, which leaves its rank as it is.

    Args:
        context: text, support set and its labels.
        features: (N, d) unit rows.
        scale: the map from D to S; by default that of these features, as published.
    """
    scale = scale or rescaling(context, features)
    support, labels = context.required_support, context.required_labels
    class_sums = support.new_zeros(context.n_classes, context.n_classes)
    for part in row_blocks(len(support), max(context.n_classes, MIN_WIDTH)):
        class_sums.index_add_(0, labels[part], _log_distributions(context, support[part]))
    counts = labels.bincount(minlength=context.n_classes)
    return _penalty(_distributions(context, features), class_sums, counts, scale)


def _penalty(
    distributions: tuple[Tensor, Tensor], class_sums: Tensor, counts: Tensor, scale: Rescaling
) -> Tensor:
    """(N, C) penalty from `_distributions` and, of each class, the sum of `log q` and the size."""
    import torch

    p, negentropy = distributions
    sizes = counts.to(p.dtype)
    summed = torch.addcmul(-(p @ class_sums.T), negentropy, sizes)
    penalty = summed.sub_(scale.nearest * sizes).mul_(scale.slope).add_(scale.low * sizes)
    return left_to_text(penalty, counts)


def _log_distributions(context: Context, features: Tensor) -> Tensor:
    """Logarithms of the class distributions, plus log C.

    The addition changes no divergence and keeps the logarithms near 0: less rounding.
    """
    log_p = (features @ context.text.T / TEMPERATURE).log_softmax(dim=1)
    return log_p.add_(math.log(context.n_classes))


def _distributions(context: Context, features: Tensor) -> tuple[Tensor, Tensor]:
    """Class distributions (N, C), and (N, 1) sums of `p log p` plus log C."""
    log_p = _log_distributions(context, features)
    p = log_p.exp().div_(context.n_classes)
    return p, log_p.mul_(p).sum(dim=1, keepdim=True)


def calibrate(context: Context, images: Images) -> dict[str, Tensor]:
    """The map from D to S over these images, as (3,) `rescaling`: low, slope and nearest.

    With it, an image's logits do not depend on the images that it is classified with. If all
    classes have K support images, another map shifts all logits of an image alike but for its
    slope, so that predictions are the same at `gamma` times the ratio of the two slopes.
    """
    return rescaling(context, images.features).constants


def terms(context: Context, images: Images) -> Terms:
    """`s f W' + alpha exp(-beta (1 - f F')) L - gamma S L`."""
    constants = context.constants or calibrate(context, images)
    return Terms(
        zero_shot_logits(context, images.features),
        cache_votes(context, images.features),
        ("beta",),
        affinity_penalty(context, images.features, Rescaling(*constants["rescaling"])),
    )


def growing(fitted: Fit, images: Images, parts: Sequence[Tensor]) -> Iterator[Grown]:
    """The logits with each part of the support set added; see `Method.growing`."""
    import torch

    context, values, features = fitted.context, fitted.hyperparameters, images.features
    zero_shot = zero_shot_logits(context, features)
    p, negentropy = _distributions(context, features)
    votes = p.new_zeros(p.shape[::-1])
    class_sums = p.new_zeros(context.n_classes, context.n_classes)
    counts = context.required_labels.new_zeros(context.n_classes)
    cosines, divergences = no_range(p), _Divergences(p, negentropy)
    buffer = p.new_empty(0)
    for n_parts, part in enumerate(parts, 1):
        for support, labels in support_blocks(context, part):
            log_q = _log_distributions(context, support)
            class_sums.index_add_(0, labels, log_q)
            counts.add_(labels.bincount(minlength=context.n_classes))
            for rows, block in cosine_blocks(support, features):
                widen(cosines, block)
                add_votes(votes[:, rows], block, labels, values["beta"])
            divergences.add_support(log_q, buffer)
        scale = Rescaling.of(cosines, divergences.range)
        for rows in row_blocks(*zero_shot.shape):
            penalty = _penalty((p[rows], negentropy[rows]), class_sums, counts, scale)
            # Of one image or one class, `contiguous` would be the votes, and not a copy.
            logits = votes[:, rows].T.clone(memory_format=torch.contiguous_format)
            logits.mul_(values["alpha"]).add_(zero_shot[rows]).sub_(penalty.mul_(values["gamma"]))
            yield Grown(n_parts, rows, logits, scale.constants)


TIP_X = Method(
    name="tip-x",
    paper="Udandarao, Gupta, Albanie, SuS-X: Training-Free Name-Only Transfer of "
    "Vision-Language Models, ICCV 2023",
    terms=terms,
    needs=("support",),
    calibrate=calibrate,
    votes_of=votes_of,
    growing=growing,
    grid={
        "alpha": Axis(0.1, 50.0, 20, scaled=True),
        "beta": Axis(1.0, 50.0, 200),
        "gamma": Axis(0.1, 30.0, 50, scaled=True),
    },
    fixed={"alpha": 3.0, "beta": 5.5, "gamma": 0.5},
)
