"""OGA: Gaussians of the classes, kept up to date in a stream (2025).

Up to eight images of lowest zero-shot entropy are remembered per class. Batches are remembered
first and classified then, by the text's posterior times a softened likelihood of Gaussians with
one covariance. A mean is the sum of what is remembered divided by eight, however many there are, as
in the authors' code: it is short while the memory fills. The covariance is about the mean of what
is left when these are taken off, as theirs.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from susx.methods.base import Context, Method, in_double, zero_shot_logits
from susx.methods.classes import linear_scores
from susx.methods.streams import STREAM, in_drawn_order, in_row_order
from susx.methods.tda import Cache
from susx.methods.uncertainty import entropies

if TYPE_CHECKING:
    from torch import Tensor

MEMORY = 8
BATCH = 32
LEAST = 2
"""Images per class, images per batch, and from how many images a class has a mean of its own."""
SOFTNESS = 0.05
"""Weight of the Gaussians' log-likelihood. All as published for all datasets."""
FEW = 4
"""Images per dimension up to which the covariance is shrunk."""


def shrunk_inverse(centred: Tensor) -> Tensor:
    """(d, d) `d ((n - 1) S + tr(S) I)^-1` with the covariance S of (n, d) rows about their means.

    It is the identity where there is no spread.
    """
    import torch

    n, d = centred.shape
    covariance = centred.T.cov() if n > 1 else centred.new_zeros(d, d)
    ridge = covariance.trace()
    if not ridge > 0:
        return torch.eye(d, dtype=centred.dtype, device=centred.device)
    system = (n - 1) * covariance
    system.diagonal().add_(ridge)
    return d * system.inverse()


def shared_inverse(centred: Tensor) -> Tensor:
    """(d, d) inverse of the covariance of (n, d) rows about their means, shrunk if they are few."""
    import torch

    n, d = centred.shape
    if n <= FEW * d:
        return shrunk_inverse(centred)
    inverse: Tensor = torch.linalg.pinv(centred.T.cov(), hermitian=True)
    return inverse


def updated(context: Context, features: Tensor, order: Tensor) -> Tensor:
    """(N, C) logarithms of the posteriors of images that come in an order, in float64."""
    import torch

    x, text = in_double(features), in_double(context.text)
    prior = zero_shot_logits(context, features).to(x).log_softmax(dim=1)
    entropy, labels = entropies(prior).tolist(), prior.argmax(dim=1).tolist()
    memory = Cache(x, len(text), MEMORY)
    owners = torch.arange(len(text), device=x.device).repeat_interleave(MEMORY)
    made = torch.empty_like(prior)
    for start in range(0, len(order), BATCH):
        batch = order[start : start + BATCH]
        for image in batch.tolist():
            if entropy[image] < math.log(len(text)):
                memory.offer(image, x[image], labels[image], entropy[image])
        held = memory.entropies.isfinite()
        sums = memory.rows.view(len(text), MEMORY, -1).sum(dim=1)
        means = (sums / MEMORY).where(held.sum(dim=1)[:, None] >= LEAST, text)
        here = held.flatten()
        inverse = shared_inverse(memory.rows[here] - means[owners[here]])
        scores = linear_scores(x[batch], means, means @ inverse)
        made[batch] = (prior[batch] + SOFTNESS * scores).log_softmax(dim=1)
    return made


OGA = Method(
    name="oga",
    paper="Fuchs, Zanella, De Vleeschouwer, Online Gaussian Test-Time Adaptation of "
    "Vision-Language Models, 2025",
    terms=in_drawn_order(updated),
    transductive=True,
    streamed=in_row_order(updated),
    assumes=(f"{STREAM}, {BATCH} at a time",),
)
