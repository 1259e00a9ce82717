"""TransCLIP: transductive classification with or without a support set (NeurIPS 2024).

The images to classify are modelled as a mixture of one Gaussian per class with a shared diagonal
covariance. Assignments z start at the zero-shot posterior and are pulled by it, by the Gaussians,
and by the assignments of near neighbours. Assignments of support images are their labels.

In the authors' code rows of support images and of images to classify are in one order in the graph
and in the other among the assignments; here they are in one. It also leaves out the nearest
neighbour of support images, as if that were the image itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from susx.methods.base import (
    Context,
    Images,
    Method,
    Points,
    Terms,
    in_double,
    row_blocks,
    zero_shot_logits,
)
from susx.methods.classes import class_means
from susx.methods.neighbours import neighbours_of
from susx.methods.once import once

if TYPE_CHECKING:
    from torch import Tensor

NEIGHBOURS = 3
CONFIDENT = 8
UPDATES, SWEEPS = 10, 5
GAUSSIAN_WEIGHT = 1 / 50
NEIGHBOUR_WEIGHT = 1 / 6
PRIOR_WEIGHT = 0.5
"""All as in the authors' code, whose 50 / 6 of neighbours stands within the 1 / 50. Sweeps over the
assignments begin before the first update of means and variances and follow the last. The prior is
the zero-shot posterior, whose weight is 1 without a support set."""
VARIANCE_FLOOR = 2.0**-22
"""Least variance of a channel, in units of its first value 1 / d. Features may be cached as halves,
which round a channel of size d ** -0.5 by up to 2 ** -11 of it: less spread than that is unknown.
"""


@dataclass(frozen=True)
class Labelled:
    """Support images beside the images to classify.

    Attributes:
        features: (M, d) unit rows.
        labels: (M,) classes.
        weight: of all of them, if that of all images to classify is 1.
    """

    features: Tensor
    labels: Tensor
    weight: float


Pull = Callable[["Tensor"], "Tensor"]


def neighbour_pull(
    features: Tensor, n_classes: int, support: Tensor | None = None, labels: Tensor | None = None
) -> Pull:
    """Sums of neighbours' assignments, times their cosines, as a function of (N, C) assignments.

    Images are neighbours if one is among the nearest of the other; a support image is one of the
    images to classify that are nearest to it.
    """
    cosines, indices = neighbours_of(features, features, NEIGHBOURS, but_itself=True)
    constant = features.new_zeros(len(features), n_classes)
    if support is not None and labels is not None:
        near, places = neighbours_of(support, features, NEIGHBOURS)
        owners = labels[:, None].expand_as(places)
        constant.index_put_((places, owners), near, accumulate=True)

    def pull(z: Tensor) -> Tensor:
        made = constant.clone()
        for column in range(indices.shape[1]):
            weights = cosines[:, column, None]
            made += weights * z[indices[:, column]]
            made.index_add_(0, indices[:, column], weights * z)
        return made

    return pull


def assignments(
    context: Context, features: Tensor, pull: Pull, given: Labelled | None = None
) -> Tensor:
    """(N, C) logarithms of the class assignments after the last round."""
    n, d = features.shape
    zero_shot = zero_shot_logits(context, features).log_softmax(dim=1)
    prior = zero_shot if given is None else PRIOR_WEIGHT * zero_shot
    confidence, members = zero_shot.topk(min(CONFIDENT, n), dim=0)
    means = _unit((confidence.softmax(dim=0).T[:, :, None] * features[members.T]).sum(dim=1))
    if given is not None:
        own, counts = class_means(given.features, given.labels, context.n_classes)
        means = _unit(own.where(counts[:, None] > 0, means))
    variance = in_double(features).new_full((d,), 1 / d)
    z, log_z = zero_shot.exp(), prior
    for update in range(UPDATES + 1):
        if update:
            means = _means(features, log_z, given)
            variance = _variance(features, means, z, given)
        distance = _mahalanobis(features, means, variance)
        for _ in range(SWEEPS):
            log_z = prior - GAUSSIAN_WEIGHT * distance / 2 + NEIGHBOUR_WEIGHT * pull(z)
            log_z = log_z.log_softmax(dim=1)
            z = log_z.exp()
    return log_z


def _unit(rows: Tensor) -> Tensor:
    from torch.nn.functional import normalize

    return normalize(rows, dim=1)


def _means(features: Tensor, log_z: Tensor, given: Labelled | None) -> Tensor:
    """(C, d) unit means of the classes, of images to classify and support images together."""
    # Shares of images within a class, as the shares of a class may all be rounded to zero.
    means = log_z.softmax(dim=0).T @ features
    if given is not None:
        own, counts = class_means(given.features, given.labels, len(means))
        share = log_z.exp().mean(dim=0).where(counts > 0, 1.0)
        means = share[:, None] * means
        means += given.weight / len(given.labels) * (counts.to(own)[:, None] * own)
    return _unit(means)


def _variance(features: Tensor, means: Tensor, z: Tensor, given: Labelled | None) -> Tensor:
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
    variance = second / len(features)
    if given is not None:
        within, labels = second.new_zeros(len(second)), given.labels.to(second.device)
        for rows in row_blocks(*given.features.shape):
            block = in_double(given.features[rows]) - centres[labels[rows]]
            within += block.square().sum(dim=0)
        within /= len(given.labels)
        variance = (variance + given.weight * within) / (1 + given.weight)
    return variance.clamp(min=VARIANCE_FLOOR / len(second))


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
    pull = neighbour_pull(images.features, context.n_classes)
    return Terms(assignments(context, images.features, pull))


def few_shot_terms(context: Context, images: Images) -> Terms:
    """The same with a support set; the point is the weight of its images."""
    features, support, labels = images.features, context.required_support, context.required_labels
    pull = neighbour_pull(features, context.n_classes, support, labels)

    @once
    def assigned(point: tuple[float, ...]) -> Tensor:
        weight = point[0] / GAUSSIAN_WEIGHT
        return assignments(context, features, pull, Labelled(support, labels, weight))

    def votes(rows: slice, points: Sequence[tuple[float, ...]]) -> Tensor:
        import torch

        return torch.stack([assigned(point)[rows] for point in points])

    return Terms(features.new_zeros(len(features), context.n_classes), votes, ("gamma",))


TRANSCLIP = Method(
    name="transclip",
    paper="Zanella, Gerin, Ben Ayed, Boosting Vision-Language Models with Transduction, "
    "NeurIPS 2024",
    terms=terms,
    transductive=True,
)
TRANSCLIP_FS = Method(
    name="transclip-fs",
    paper="Zanella, Gerin, Ben Ayed, Boosting Vision-Language Models with Transduction, "
    "NeurIPS 2024 (few-shot form)",
    terms=few_shot_terms,
    needs=("support",),
    transductive=True,
    costly=True,
    grid={"gamma": Points((0.002, 0.01, 0.02, 0.2))},
    fixed={"gamma": 0.02},
)
