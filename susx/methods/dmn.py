"""DMN: memories of the images of every class, read by each image in its own way (CVPR 2024).

A class that images are taken for remembers the 50 of lowest entropy. What an image reads of a
memory is the sum of its rows, by their affinity to the image, together with the class's text; the
image's cosine to it is the class's score. An image is classified after it could be remembered.

The authors weigh the posteriors of text and memories by factors that are chosen on test labels;
here every factor is 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from susx.methods.base import Context, Method, in_double
from susx.methods.streams import STREAM, in_drawn_order, in_row_order
from susx.methods.uncertainty import entropies

if TYPE_CHECKING:
    from torch import Tensor

KEPT = 50
"""Images per class."""
SHARPNESS = 5.5
"""Both as published for all datasets."""


def spans(own: list[int], entropy: list[float], n: int) -> Iterator[tuple[slice, list[int]]]:
    """Parts of a stream of n images in which a class remembers the same ones, and which.

    Args:
        own: images that are taken for the class, as they come.
        entropy: of all images.
        n: how many come.
    """
    start, kept = 0, list[int]()
    for image in own:
        worst = max(kept, key=entropy.__getitem__) if len(kept) == KEPT else None
        if worst is None or entropy[image] < entropy[worst]:
            yield slice(start, image), kept
            start, kept = image, [*(i for i in kept if i != worst), image]
    yield slice(start, n), kept


def read(images: Tensor, memory: Tensor) -> Tensor:
    """(n,) cosines of (n, d) unit rows to what each reads of a memory of (m, d) unit rows."""
    import torch

    cosines = images @ memory.T
    weights = (SHARPNESS * (cosines - 1)).exp()
    squares = (weights @ (memory @ memory.T) * weights).sum(dim=1)
    least = torch.finfo(squares.dtype).tiny  # rows may cancel each other
    return (weights * cosines).sum(dim=1) / squares.clamp(min=least).sqrt()


def given_rows(context: Context) -> list[Tensor]:
    """(1 + m_c, d) rows in float64 that are in the memory of a class from the beginning, by class.

    They are its text and its m_c support images, if there is a support set.
    """
    import torch

    texts = [row[None] for row in in_double(context.text)]
    if context.support is None:
        return texts
    shots, labels = context.required_support, context.required_labels
    own = (in_double(shots[labels == label]) for label in range(len(texts)))
    return [torch.cat(rows) for rows in zip(texts, own, strict=True)]


def summed(context: Context, features: Tensor, order: Tensor) -> Tensor:
    """(N, C) logarithms of the summed posteriors of images that come in an order, in float64.

    One is the text's, one that of the memories, and one that of what these held at the beginning,
    if that is more than the text.
    """
    import torch

    x, given = in_double(features[order]), given_rows(context)
    total = (context.logit_scale * x @ in_double(context.text).T).log_softmax(dim=1)
    entropy, labels = entropies(total).tolist(), total.argmax(dim=1)
    scores = torch.empty_like(total)
    for label, first in enumerate(given):
        own = (labels == label).nonzero()[:, 0].tolist()
        for part, kept in spans(own, entropy, len(x)):
            scores[part, label] = read(x[part], torch.cat([first, x[kept]]))
    total = torch.logaddexp(total, (context.logit_scale * scores).log_softmax(dim=1))
    if context.support is not None:
        for label, first in enumerate(given):
            scores[:, label] = read(x, first)
        total = torch.logaddexp(total, (context.logit_scale * scores).log_softmax(dim=1))
    return scores.index_copy_(0, order, total)


def without_support(context: Context, features: Tensor, order: Tensor) -> Tensor:
    """The same from text and images alone."""
    return summed(replace(context, support=None), features, order)


PAPER = "Zhang et al., Dual Memory Networks: A Versatile Adaptation Approach for Vision-Language "
PAPER += "Models, CVPR 2024"
DMN = Method(
    name="dmn",
    paper=PAPER,
    terms=in_drawn_order(without_support),
    transductive=True,
    streamed=in_row_order(without_support),
    assumes=(STREAM,),
)
DMN_FS = Method(
    name="dmn-fs",
    paper=f"{PAPER} (few-shot form)",
    terms=in_drawn_order(summed),
    needs=("support",),
    transductive=True,
    costly=True,
    streamed=in_row_order(summed),
    assumes=(STREAM,),
)
