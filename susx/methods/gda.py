"""Gaussian discriminant analysis on the support set, added to zero-shot logits.

Wang et al., A Hard-to-Beat Baseline for Training-free CLIP-based Adaptation, ICLR 2024: classes
are Gaussians with own means and one covariance, whose inverse is estimated with the empirical
Bayes ridge `d ((M - 1) Sigma + tr(Sigma) I)^-1`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from susx.methods.base import (
    Context,
    Images,
    Method,
    Points,
    Terms,
    fixed_votes,
    in_double,
    row_blocks,
    zero_shot_logits,
)
from susx.methods.classes import Samples, exact_class_means, left_to_text, linear_scores

if TYPE_CHECKING:
    from torch import Tensor


def discriminant(samples: Samples, n_classes: int, features: Tensor) -> Tensor:
    """Linear discriminant scores `f P mu_c - mu_c' P mu_c / 2`: (N, C), in the features' type.

    Works in float64. Without any spread inside the classes, as with one image per class, P is
    the identity: the nearest class mean wins. A class without samples gets the mean of the
    others' scores, which leaves its rank to the text.
    """
    means, counts, scatter = statistics(samples, n_classes)
    d = len(scatter)
    trace = scatter.trace() / max(1, int(counts.sum()) - 1)
    weights = means
    if trace > 1e-12:
        scatter.diagonal().add_(trace)
        weights = d * means @ scatter.inverse()
    made = features.new_empty(len(features), n_classes)
    for rows in row_blocks(*made.shape):
        scores = linear_scores(in_double(features[rows]), means, weights)
        made[rows] = left_to_text(scores, counts).to(made)
    return made


def statistics(samples: Samples, n_classes: int) -> tuple[Tensor, Tensor, Tensor]:
    """Class means (C, d), sizes (C,) and the scatter within classes (d, d) of the samples.

    In float64, block by block.
    """
    means, counts = exact_class_means(samples, n_classes)
    scatter = means.new_zeros(means.shape[1], means.shape[1])
    for rows, labels in samples:
        owners = labels.to(means.device)
        for some in row_blocks(*rows.shape):
            centred = in_double(rows[some]) - means[owners[some]]
            scatter.addmm_(centred.T, centred)
    return means, counts, scatter


def terms(context: Context, images: Images) -> Terms:
    """`s f W' + alpha g`, with the discriminant scores g."""
    samples = [(context.required_support, context.required_labels)]
    scores = discriminant(samples, context.n_classes, images.features)
    return Terms(zero_shot_logits(context, images.features), fixed_votes(scores))


GDA = Method(
    name="gda",
    paper="Wang et al., A Hard-to-Beat Baseline for Training-free CLIP-based Adaptation, ICLR 2024",
    terms=terms,
    needs=("support",),
    grid={"alpha": Points((1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0, 100.0), scaled=True)},
    fixed={"alpha": 1.0},
)
