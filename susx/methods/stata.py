"""StatA: Gaussians of the classes in a batch, anchored at the text (CVPR 2025).

Means and variances of a class are drawn to its text by a weight that falls with the images
assigned to it, so that classes which are not in the batch stay where the text puts them. The first
variance is the mean over all images; the authors' code divides it by the number of images once per
2,500 of them, so that it almost vanishes on larger sets.
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
from susx.methods.transclip import (
    GAUSSIAN_WEIGHT,
    NEIGHBOUR_WEIGHT,
    SWEEPS,
    UPDATES,
    VARIANCE_FLOOR,
    neighbour_pull,
)

if TYPE_CHECKING:
    from torch import Tensor

ANCHOR = 1.0
"""Images that the text of a class counts as much as: alpha of the paper, the same everywhere."""


def _log_densities(features: Tensor, means: Tensor, variances: Tensor) -> Tensor:
    """(N, C) log-densities of diagonal Gaussians with (C, d) variances, but for a constant."""
    precisions = 1 / variances
    offsets = (means.square() * precisions + variances.log()).sum(dim=1)
    made = features.new_empty(len(features), len(means))
    for rows in row_blocks(len(features), features.shape[1]):
        block = features[rows]
        made[rows] = block @ (means * precisions).T - block.square() @ precisions.T / 2
    return made - offsets / 2


def _moments(features: Tensor, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Sums of shares (C,), of shares of features and of their squares, (C, d) each."""
    sums = z.T @ features
    squares = sums.new_zeros(sums.shape)
    for rows in row_blocks(len(features), features.shape[1]):
        squares += z[rows].T @ features[rows].square()
    return z.sum(dim=0), sums, squares


def anchored_assignments(context: Context, features: Tensor) -> Tensor:
    """(N, C) logarithms of the class assignments after the last round, in float64."""
    import torch
    from torch.nn.functional import normalize

    x, text = in_double(features), in_double(context.text)
    d = x.shape[1]
    prior = zero_shot_logits(context, features).to(x).log_softmax(dim=1)
    pull = neighbour_pull(x, context.n_classes)
    log_z, z = prior, prior.exp()
    counts, sums, squares = _moments(x, z)
    first = (squares - 2 * text * sums + counts[:, None] * text.square()).sum(dim=0) / len(x)
    first = first.clamp(min=VARIANCE_FLOOR / d)
    means, variances = text, first.expand_as(text)
    for update in range(UPDATES + 1):
        if update:
            counts, sums, squares = _moments(x, z)
            held = z.argmax(dim=1).bincount(minlength=context.n_classes)
            trust = (held.to(x) / (ANCHOR + held))[:, None]
            means = normalize(trust * normalize(sums, dim=1) + (1 - trust) * text, dim=1)
            shares = counts.clamp(min=torch.finfo(counts.dtype).tiny)[:, None]
            spread = (squares - 2 * means * sums) / shares + means.square()
            variances = trust * spread + (1 - trust) * (first + (text - means).square())
            variances = variances.clamp(min=VARIANCE_FLOOR / d)
        gaussians = GAUSSIAN_WEIGHT * _log_densities(x, means, variances)
        for _ in range(SWEEPS):
            log_z = (prior + gaussians + NEIGHBOUR_WEIGHT * pull(z)).log_softmax(dim=1)
            z = log_z.exp()
    return log_z


def terms(context: Context, images: Images) -> Terms:
    """The logarithms of the assignments stand in for logits."""
    return Terms(anchored_assignments(context, images.features).to(images.features))


STATA = Method(
    name="stata",
    paper="Zanella, Fuchs, De Vleeschouwer, Ben Ayed, Realistic Test-Time Adaptation of "
    "Vision-Language Models, CVPR 2025",
    terms=terms,
    transductive=True,
)
