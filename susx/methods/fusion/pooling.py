"""How far to trust the text and the support set: one linear classifier from both.

With views that are independent given the class, the joint likelihood of both on an unlabelled image
is, up to a constant, `sum_c p_text(c) p_support(c)`: it is large where both are sharp and agree. It
gives the temperatures of both from images without labels, beside what the support set's labels say.
The calibrated views are pooled by weights that sum to 1, as they are not independent in truth: each
weighs its information over its entropy.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from susx.methods.base import Context, row_blocks, zero_shot_logits
from susx.methods.fusion.labelled import (
    COMPANY,
    GAUSSIAN_TEMPERATURES,
    TEXT_TEMPERATURES,
    TINY,
    SupportView,
    ridge_inverse,
)
from susx.methods.uncertainty import entropies

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class PooledViews:
    """Weights of the views.

    Attributes:
        temperature: factor on the text's logits at which it is calibrated.
        share: weight of the text, so calibrated.
        gaussians: weight of Gaussian log-densities, before `sharpness`: the rest, or 1 without a
            support set, as the bound then decides.
        sharpness: temperature of the support set's Gaussians; 0 if the support set says nothing.
        weights: (C, d) of the pooled linear classifier.
        offsets: (C,).
    """

    temperature: float
    share: float
    gaussians: float
    sharpness: float
    weights: Tensor
    offsets: Tensor

    def logits(self, features: Tensor) -> Tensor:
        """(N, C) logits of (N, d) images, each by itself."""
        return features @ self.weights.T + self.offsets


def pool(context: Context, support: SupportView, features: Tensor) -> PooledViews:
    """Pool text and support set by their agreement on (N, d) unlabelled images; N may be 0."""
    text = context.logit_scale * context.text
    if not support.known:
        return PooledViews(1.0, 1.0, 1.0, 0.0, text, text.new_zeros(len(text)))
    inverse, spread = ridge_inverse(support.scatter, support.freedom)
    centres = support.means @ inverse
    noise = spread / support.counts.clamp(min=COMPANY)
    offsets = (noise - (centres * support.means).sum(dim=1)) / 2
    a, b = temperatures(context, support, features, centres, offsets)
    sums = _entropies(context, features, centres, offsets, a, b)
    # Support images are as many as target images at most: they may be of another domain.
    number = min(support.labels, len(features)) if len(features) else support.labels
    of_text = sums[0] + number * support.text_entropy
    of_gaussians = sums[1] + number * support.gaussian_entropy
    total = len(features) + number
    share = _share(of_text / total, of_gaussians / total, len(text))
    rest = 1 - share
    weights = share * a * text + rest * b * centres
    return PooledViews(a, share, rest, b, weights, rest * b * offsets)


def _share(text_entropy: float, gaussian_entropy: float, classes: int) -> float:
    """Weight of the text: information over entropy, as a share of both views'."""
    most = math.log(max(2, classes))
    worth = [max(most - h, TINY) / max(h, TINY) for h in (text_entropy, gaussian_entropy)]
    return worth[0] / sum(worth)


def temperatures(
    context: Context, support: SupportView, features: Tensor, centres: Tensor, offsets: Tensor
) -> tuple[float, float]:
    """Temperatures of text and Gaussians: posterior means of their logarithms.

    A text temperature is a priori near 1, within a factor of 2: contrastive training leaves the
    text about calibrated.
    """
    grid_a = features.new_tensor(TEXT_TEMPERATURES)
    grid_b = features.new_tensor(GAUSSIAN_TEMPERATURES)
    log = support.labels * support.likelihoods
    log = log - grid_a.log2().square()[:, None] / 2
    classes = context.n_classes
    for rows in row_blocks(len(features), classes * (len(grid_a) + len(grid_b))):
        text = zero_shot_logits(context, features[rows])
        gaussians = features[rows] @ centres.T + offsets
        of_text = (grid_a[:, None, None] * text).softmax(dim=2).transpose(0, 1)
        of_gaussians = (grid_b[:, None, None] * gaussians).softmax(dim=2).transpose(0, 1)
        joint = of_text @ of_gaussians.transpose(1, 2)
        log = log + joint.clamp(min=TINY**2).log().sum(dim=0)
    posterior = log.flatten().softmax(dim=0).view_as(log)
    means = (posterior.sum(dim=1) @ grid_a.log(), posterior.sum(dim=0) @ grid_b.log())
    return float(means[0].exp()), float(means[1].exp())


def _entropies(
    context: Context, features: Tensor, centres: Tensor, offsets: Tensor, a: float, b: float
) -> tuple[float, float]:
    """Sums of both views' entropies over images, in nats."""
    sums = [0.0, 0.0]
    for rows in row_blocks(len(features), context.n_classes):
        block = features[rows]
        views = a * zero_shot_logits(context, block), b * (block @ centres.T + offsets)
        for place, view in enumerate(views):
            sums[place] += float(entropies(view.log_softmax(dim=1)).sum())
    return sums[0], sums[1]
