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
    zero_shot_logits,
)
from susx.methods.classes import class_means, left_to_text, linear_scores

if TYPE_CHECKING:
    from torch import Tensor


def discriminant(context: Context, features: Tensor) -> Tensor:
    """Linear discriminant scores `f P mu_c - mu_c' P mu_c / 2`: (N, C), in the features' type.

    Works in float64. Without any spread inside the classes, as with one image per class, P is
    the identity: the nearest class mean wins. A class without support images gets the mean of the
    others' scores, which leaves its rank to the text.
    """
    support = in_double(context.required_support)
    labels = context.required_labels.to(support.device)
    m, d = support.shape
    means, counts = class_means(support, labels, context.n_classes)
    centred = support - means[labels]
    scatter = centred.T @ centred
    trace = scatter.trace() / max(1, m - 1)
    weights = means
    if trace > 1e-12:
        scatter.diagonal().add_(trace)
        weights = d * means @ scatter.inverse()
    scores = linear_scores(in_double(features), means, weights)
    return left_to_text(scores, counts).to(features)


def terms(context: Context, images: Images) -> Terms:
    """`s f W' + alpha g`, with the discriminant scores g."""
    scores = discriminant(context, images.features)
    return Terms(zero_shot_logits(context, images.features), fixed_votes(scores))


GDA = Method(
    name="gda",
    paper="Wang et al., A Hard-to-Beat Baseline for Training-free CLIP-based Adaptation, ICLR 2024",
    terms=terms,
    needs=("support",),
    grid={"alpha": Points((1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0, 100.0), scaled=True)},
    fixed={"alpha": 1.0},
)
