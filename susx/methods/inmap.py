"""InMaP: image proxies of the classes in a batch, learnt from its own soft labels (NeurIPS 2023).

Soft labels are the text's posteriors with equal mass for all classes, by Sinkhorn's iteration.
Proxies are unit rows that begin at the text and follow the gradient of the cross-entropy to these
labels for a fixed number of steps; with the rows held to unit length the loss is not convex, so
that number and schedule define the result.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from susx.methods.base import (
    Context,
    Images,
    Method,
    Terms,
    in_double,
    row_blocks,
    zero_shot_logits,
)

if TYPE_CHECKING:
    from torch import Tensor

EQUAL_SHARES = "equal class shares"
"""What a method assumes that gives all classes the same mass."""
BALANCING = 20
CERTAIN = 0.6
STEPS = 2000
RATE = 10.0
TEMPERATURE = 0.04
"""Rounds of Sinkhorn's iteration, probability from which a label is taken for certain, steps of the
gradient, length of the first and temperature of the proxies: all as published, on CLIP's scale."""


def balanced(posteriors: Tensor) -> Tensor:
    """Soft labels (N, C) with rows that add up to 1, and columns of the same mass."""
    import torch

    n, n_classes = posteriors.shape
    least = torch.finfo(posteriors.dtype).tiny  # a class that has no mass at all keeps none
    q = posteriors / n
    for _ in range(BALANCING):
        q /= q.sum(dim=0).clamp(min=least) * n_classes
        q /= q.sum(dim=1, keepdim=True).clamp(min=least) * n
    return q * n


def sharpened(labels: Tensor) -> Tensor:
    """The same with rows made one-hot that hold a certain class."""
    highest, best = labels.max(dim=1)
    made = labels.clone()
    sure = highest > CERTAIN
    made[sure] = 0
    made[sure, best[sure]] = 1
    return made


def image_proxies(features: Tensor, text: Tensor, labels: Tensor) -> Tensor:
    """(C, d) unit rows after all steps.

    Args:
        features: (N, d) unit rows in float64.
        text: (C, d) unit rows, where the proxies begin.
        labels: (N, C) soft labels.
    """
    from torch.nn.functional import normalize

    wanted = labels.T @ features
    proxies, rate, last = text, RATE, float("inf")
    for _ in range(STEPS):
        found = -wanted
        for rows in row_blocks(len(features), len(text)):
            block = features[rows]
            found += (block @ proxies.T / TEMPERATURE).softmax(dim=1).T @ block
        norm = float(found.norm())
        if norm > last:
            rate /= 2
        last = norm
        proxies = normalize(proxies - rate / (TEMPERATURE * len(features)) * found, dim=1)
    return proxies


def terms(context: Context, images: Images) -> Terms:
    """`s f w'` with proxies w."""
    x, text = in_double(images.features), in_double(context.text)
    posteriors = zero_shot_logits(context, images.features).to(x).softmax(dim=1)
    proxies = image_proxies(x, text, sharpened(balanced(posteriors)))
    return Terms((context.logit_scale * x @ proxies.T).to(images.features))


INMAP = Method(
    name="inmap",
    paper="Qian, Xu, Hu, Intra-Modal Proxy Learning for Zero-Shot Visual Categorization with CLIP, "
    "NeurIPS 2023",
    terms=terms,
    transductive=True,
    assumes=(EQUAL_SHARES,),
)
