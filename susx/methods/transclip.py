"""TransCLIP-ZS: transductive zero-shot classification (Zanella et al., NeurIPS 2024).

The images to classify are modelled as a mixture of one Gaussian per class with a shared diagonal
covariance. Assignments z start at the zero-shot posterior and are pulled by it, by the Gaussians,
and by the assignments of near neighbours.
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

NEIGHBOURS = 3
CONFIDENT = 8
OUTER, INNER = 10, 5
GAUSSIAN_WEIGHT = 1 / 50
NEIGHBOUR_WEIGHT = 1 / 6
"""All as in the authors' code, whose 50 / 6 of neighbours stands within the 1 / 50."""
VARIANCE_FLOOR = 2.0**-22
"""Least variance of a channel, in units of its first value 1 / d. Features may be cached as halves,
which round a channel of size d ** -0.5 by up to 2 ** -11 of it: less spread than that is unknown.
"""


def neighbours(features: Tensor) -> tuple[Tensor, Tensor]:
    """Cosines and (N, k) indices of every image's nearest others."""
    k = min(NEIGHBOURS, len(features) - 1)
    cosines = features.new_empty(len(features), k)
    indices = features.new_empty(len(features), k).long()
    for rows in row_blocks(len(features), len(features)):
        block = features[rows] @ features.T
        block[range(len(block)), range(rows.start, rows.stop)] = -2
        cosines[rows], indices[rows] = block.topk(k, dim=1)
    return cosines, indices


def assignments(context: Context, features: Tensor) -> Tensor:
    """(N, C) logarithms of the class assignments after the last update."""
    n, d = features.shape
    prior = zero_shot_logits(context, features).log_softmax(dim=1)
    z = prior.exp()
    cosines, indices = neighbours(features)
    confidence, members = prior.topk(min(CONFIDENT, n), dim=0)
    means = _unit((confidence.softmax(dim=0).T[:, :, None] * features[members.T]).sum(dim=1))
    variance = in_double(features).new_full((d,), 1 / d)
    log_z = prior
    for _ in range(OUTER):
        distance = _mahalanobis(features, means, variance)
        for _ in range(INNER):
            pull = (cosines[:, :, None] * z[indices]).sum(dim=1)
            for column in range(indices.shape[1]):
                pull.index_add_(0, indices[:, column], cosines[:, column, None] * z)
            log_z = prior - GAUSSIAN_WEIGHT * distance / 2 + NEIGHBOUR_WEIGHT * pull
            log_z = log_z.log_softmax(dim=1)
            z = log_z.exp()
        # Shares of images within a class, as the shares of a class may all be rounded to zero.
        means = _unit(log_z.softmax(dim=0).T @ features)
        variance = _variance(features, means, z)
    return log_z


def _unit(rows: Tensor) -> Tensor:
    from torch.nn.functional import normalize

    return normalize(rows, dim=1)


def _variance(features: Tensor, means: Tensor, z: Tensor) -> Tensor:
    """Variances (d,) within classes with the assignments z, in float64; none below the floor.

    They are differences of squares near 1 / d, of which float32 would leave rounding alone.
    """
    centres = in_double(means)
    second = centres.new_zeros(features.shape[1])
    for rows in row_blocks(len(features), max(features.shape[1], len(means))):
        block, shares = in_double(features[rows]), in_double(z[rows])
        second += shares.sum(dim=1) @ block.square()
        second -= 2 * (centres * (shares.T @ block)).sum(dim=0)
        second += shares.sum(dim=0) @ centres.square()
    return (second / len(features)).clamp(min=VARIANCE_FLOOR / len(second))


def _mahalanobis(features: Tensor, means: Tensor, variance: Tensor) -> Tensor:
    """Squared distances (N, C) of features to means, each channel divided by its variance.

    Worked out in float64, as small variances magnify the rounding of both.
    """
    made = features.new_empty(len(features), len(means))
    centres = in_double(means)
    own = (centres.square() / variance).sum(dim=1)
    for rows in row_blocks(len(features), max(features.shape[1], len(means))):
        block = in_double(features[rows])
        scaled = block / variance
        square = (scaled * block).sum(dim=1, keepdim=True)
        made[rows] = (square - 2 * scaled @ centres.T + own).to(made)
    return made


def terms(context: Context, images: Images) -> Terms:
    """The logarithms of the assignments stand in for logits."""
    return Terms(assignments(context, images.features))


TRANSCLIP = Method(
    name="transclip",
    paper="Zanella, Gerin, Ben Ayed, Boosting Vision-Language Models with Transduction, "
    "NeurIPS 2024",
    terms=terms,
    transductive=True,
)
