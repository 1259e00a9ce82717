"""TDA: caches of confident and of doubtful images in a stream (Karmanov et al., CVPR 2024).

Of every class that images are taken for, the three of lowest entropy vote for it, and two of
middling entropy vote against the classes that they may be. An image is classified after it had its
chance to be cached. The authors set two constants per dataset, for the best accuracy on its test
images; here one pair stands for all.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from susx.methods.base import (
    PUBLISHED_SCALE,
    Context,
    Method,
    in_double,
    zero_shot_logits,
)
from susx.methods.streams import STREAM, in_drawn_order, in_row_order
from susx.methods.uncertainty import entropies

if TYPE_CHECKING:
    from torch import Tensor

KEPT, DOUBTFUL = 3, 2
"""Images per class in both caches."""
WEIGHT, SHARPNESS = 2.0, 5.0
DOUBT_WEIGHT, DOUBT_SHARPNESS = 0.117, 1.0
DOUBT_RANGE = 0.2, 0.5
"""Of doubtful images the entropy in nats, divided by that of chance in bits."""
POSSIBLE = 0.03
"""Least probability of a class that a doubtful image may be. All as published, on CLIP's scale."""


class Cache:
    """The images of lowest entropy of every class.

    Attributes:
        rows: (C K, d) their features, zero where there is none yet.
        entropies: (C, K), infinite where there is none.
        images: (C, K) their numbers.
    """

    def __init__(self, like: Tensor, n_classes: int, size: int) -> None:
        self.size = size
        self.rows = like.new_zeros(n_classes * size, like.shape[1])
        self.entropies = like.new_full((n_classes, size), math.inf)
        self.images = like.new_zeros(n_classes, size).long()

    def offer(self, image: int, row: Tensor, label: int, entropy: float) -> int | None:
        """Take an image in place of the worst of its class if it is better; its place if so."""
        worst = int(self.entropies[label].argmax())
        if entropy >= float(self.entropies[label, worst]):
            return None
        self.entropies[label, worst], self.images[label, worst] = entropy, image
        self.rows[label * self.size + worst] = row
        return label * self.size + worst

    def affinities(self, row: Tensor, sharpness: float) -> Tensor:
        """(C, K) `exp(-b (1 - cosine))`, zero where there is none yet."""
        made = (-sharpness * (1 - self.rows @ row)).exp().view_as(self.entropies)
        return made.masked_fill_(self.entropies.isinf(), 0)


def adapted(context: Context, features: Tensor, order: Tensor) -> Tensor:
    """(N, C) logits of images that come in an order, in float64."""
    x = in_double(features)
    n_classes, factor = context.n_classes, context.logit_scale / PUBLISHED_SCALE
    logits = zero_shot_logits(context, features).to(x)
    log_posteriors = logits.log_softmax(dim=1)
    entropy = entropies(log_posteriors)
    labels = logits.argmax(dim=1).tolist()
    doubt = (entropy / max(math.log2(n_classes), math.ulp(1.0))).tolist()
    lowest, highest = DOUBT_RANGE
    sure, unsure = Cache(x, n_classes, KEPT), Cache(x, n_classes, DOUBTFUL)
    possible = x.new_zeros(n_classes * DOUBTFUL, n_classes)
    known = entropy.tolist()
    for image in order.tolist():
        row, label = x[image], labels[image]
        sure.offer(image, row, label, known[image])
        if lowest < doubt[image] < highest:
            place = unsure.offer(image, row, label, known[image])
            if place is not None:
                p = log_posteriors[image].exp()
                possible[place] = ((p > POSSIBLE) & (p < 1)).to(x)
        votes = WEIGHT * sure.affinities(row, SHARPNESS).sum(dim=1)
        against = unsure.affinities(row, DOUBT_SHARPNESS).flatten() @ possible
        logits[image] += factor * (votes - DOUBT_WEIGHT * against)
    return logits


TDA = Method(
    name="tda",
    paper="Karmanov et al., Efficient Test-Time Adaptation of Vision-Language Models, CVPR 2024",
    terms=in_drawn_order(adapted),
    transductive=True,
    streamed=in_row_order(adapted),
    assumes=(STREAM,),
)
