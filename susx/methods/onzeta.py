"""OnZeta: balanced labels and image proxies of the classes, learnt in a stream (ECCV 2024).

The text's posterior is tilted towards classes that came too seldom so far, and mixed with that of
proxies, which begin at the text and follow the tilted posteriors. An image is classified before it
changes anything. The proxies' share grows with the part of the stream that is over, so that the
number of images must be known before the first of them.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from susx.methods.base import Context, Method, in_double
from susx.methods.inmap import EQUAL_SHARES
from susx.methods.streams import STREAM, in_drawn_order, in_row_order

if TYPE_CHECKING:
    from torch import Tensor

BALANCE_RATE, PROXY_RATE = 20.0, 0.5
"""Lengths of the first steps; later ones fall with the root of the number of images."""
PROXY_SHARE = 0.8
"""Of the proxies' posterior, for the last image."""
TEMPERATURE = 0.04
"""Of the proxies. All as published for ImageNet, on CLIP's scale."""
KNOWN_NUMBER = "a number of images that is known before the first comes"
"""What the method assumes of its stream."""


def mixed(context: Context, features: Tensor, order: Tensor) -> Tensor:
    """(N, C) logarithms of the posteriors of images that come in an order, in float64."""
    from torch.nn.functional import normalize

    x, proxies = in_double(features), in_double(context.text)
    made = context.logit_scale * x @ proxies.T
    share = 1 / context.n_classes
    tilt = made.new_zeros(context.n_classes)
    for number, image in enumerate(order.tolist(), start=1):
        row, root = x[image], math.sqrt(number)
        p = (made[image] + tilt).softmax(dim=0)
        q = (proxies @ row / TEMPERATURE).softmax(dim=0)
        weight = PROXY_SHARE * root / math.sqrt(len(x))
        made[image] = (weight * q + (1 - weight) * p).log()
        tilt = (tilt - BALANCE_RATE / root * (p - share)).clamp(min=0)
        step = PROXY_RATE / (TEMPERATURE * root) * (q - p)
        proxies = normalize(proxies.addr(step, row, alpha=-1), dim=1)
    return made


ONZETA = Method(
    name="onzeta",
    paper="Qian, Hu, Online Zero-Shot Classification with CLIP, ECCV 2024",
    terms=in_drawn_order(mixed),
    transductive=True,
    streamed=in_row_order(mixed),
    assumes=(STREAM, KNOWN_NUMBER, EQUAL_SHARES),
)
