"""TransCLIP-ZS: transductive zero-shot classification (Zanella et al., NeurIPS 2024).

The images to classify are modelled as a mixture of one Gaussian per class with a shared diagonal
covariance. Assignments z start at the zero-shot posterior and are pulled by it, by the Gaussians,
and by the assignments of near neighbours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from susx.methods.base import Context, Images, Method, Terms, row_blocks, zero_shot_logits

if TYPE_CHECKING:
    from torch import Tensor

NEIGHBOURS = 3
CONFIDENT = 8
OUTER, INNER = 10, 5
GAUSSIAN_WEIGHT = 1 / 50
NEIGHBOUR_WEIGHT = 1 / 6


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
    confidence, members = z.topk(min(CONFIDENT, n), dim=0)
    means = (confidence.T[:, :, None] * features[members.T]).sum(dim=1)
    means /= means.norm(dim=1, keepdim=True)
    variance = features.new_full((d,), 1 / d)
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
        means = z.T @ features
        means /= means.norm(dim=1, keepdim=True)
        total = z.sum(dim=0)
        second = (z.sum(dim=1) @ features.square()) + total @ means.square()
        variance = (second - 2 * (means * (z.T @ features)).sum(dim=0)) / total.sum()
    return log_z


def _mahalanobis(features: Tensor, means: Tensor, variance: Tensor) -> Tensor:
    """Squared distances (N, C) of features to means, each channel divided by its variance."""
    scaled = features / variance
    own = (scaled * features).sum(dim=1, keepdim=True)
    return own - 2 * scaled @ means.T + (means.square() / variance).sum(dim=1)


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
