"""A linear probe of images and texts that is pulled to the text classifier.

After REAL-Linear (Parashar et al., The Neglected Tails in Vision-Language Models, CVPR 2024): the
cross-entropy of `s x W'`, half of it from support images and half from texts, with W starting at
the text classifier T, and T and W averaged. The authors stop a stochastic optimiser long before
the optimum, so that their W depends on seed, batches and steps. Here a pull `lambda |W - T|^2`
stands in for stopping early: the loss is strictly convex, and its one optimum is the result.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from susx.core.errors import InputError
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

if TYPE_CHECKING:
    from torch import Tensor

PULL = 0.22
"""Lambda, on CLIP's scale: on two datasets the average of T and W has as many right images as that
of the authors, within the spread of their seeds and three images more (docs/methods.md)."""
STEPS = 50
INNER = 1000
"""Most Newton steps, and most steps of conjugate gradients in each; about a dozen and a few dozen
are taken. Both only end what does not converge."""
NEAR = 1e-8
"""Gradient, in units of the scale, below which Newton's steps square the error and are not halved,
since the loss no longer tells one step from another: weights are off by 3e-8 of the scale at most,
as the curvature is at least `2 lambda`, and logits by some 1e-4."""


class ProbeLoss:
    """The loss of (C, d) weights, its gradient and its curvature.

    Rows of samples are turned to the axes of their second moments, where the diagonal of the
    curvature says most of it.
    """

    def __init__(self, context: Context) -> None:
        import torch

        texts, owners = context.required_texts
        support, labels = in_double(context.required_support), context.required_labels
        samples = torch.cat([support, in_double(texts)])
        halves = [part.new_full((len(part),), 0.5 / len(part)) for part in (support, texts)]
        self.shares = torch.cat(halves).to(samples)
        self.labels = torch.cat([labels, owners]).to(samples.device)
        _, self.axes = torch.linalg.eigh(samples.T @ (self.shares[:, None] * samples))
        self.samples = samples @ self.axes
        self.text = in_double(context.text) @ self.axes
        self.scale = context.logit_scale

    def at(self, weights: Tensor) -> tuple[float, Tensor]:
        """ProbeLoss, and (M, C) posteriors."""
        logs = (self.scale * self.samples @ weights.T).log_softmax(dim=1)
        own = logs.gather(1, self.labels[:, None])[:, 0]
        pulled = PULL * (weights - self.text).square().sum()
        return float(pulled - self.shares @ own), logs.exp_()

    def gradient(self, weights: Tensor, posteriors: Tensor) -> Tensor:
        """(C, d) gradient."""
        residuals = posteriors.clone()
        residuals[range(len(residuals)), self.labels] -= 1
        residuals *= self.scale * self.shares[:, None]
        made: Tensor = residuals.T @ self.samples + 2 * PULL * (weights - self.text)
        return made

    def diagonal(self, posteriors: Tensor) -> Tensor:
        """(C, d) second derivatives."""
        factors = self.scale**2 * self.shares[:, None] * posteriors * (1 - posteriors)
        made: Tensor = self.text.new_full(self.text.shape, 2 * PULL)
        for rows in row_blocks(len(self.samples), self.samples.shape[1]):
            made += factors[rows].T @ self.samples[rows].square()
        return made

    def curvature(self, posteriors: Tensor, way: Tensor) -> Tensor:
        """(C, d) product of the Hessian with (C, d) directions."""
        slopes = posteriors * (self.samples @ way.T)
        slopes -= posteriors * slopes.sum(dim=1, keepdim=True)
        slopes *= self.scale**2 * self.shares[:, None]
        made: Tensor = slopes.T @ self.samples + 2 * PULL * way
        return made


def solved(
    system: Callable[[Tensor], Tensor], right: Tensor, diagonal: Tensor, to: float
) -> Tensor:
    """Conjugate gradients, preconditioned by a diagonal, to a residual shorter than `to`."""
    made, rest = right.new_zeros(right.shape), right.clone()
    way = rest / diagonal
    size = (rest * way).sum()
    for _ in range(INNER):
        image = system(way)
        step = size / (way * image).sum()
        made += step * way
        rest -= step * image
        if float(rest.norm()) < to:
            break
        eased = rest / diagonal
        last, size = size, (rest * eased).sum()
        way = eased + size / last * way
    return made


def probe(context: Context) -> Tensor:
    """(C, d) weights W of least loss, in float64, by Newton's method with halved steps.

    Ends where the gradient falls no more, which is at rounding.

    Raises:
        InputError: without a support set, if only the finished text classifier is known, or if
            features are not finite.
    """
    loss = ProbeLoss(context)
    weights = loss.text
    value, posteriors = loss.at(weights)
    gradient = loss.gradient(weights, posteriors)
    first, last = float(gradient.norm()), math.inf
    near = NEAR * loss.scale
    for _ in range(STEPS):
        norm = float(gradient.norm())
        if not norm or last / 2 < norm < near:
            break
        last, curved = norm, posteriors
        to = min(0.1, (norm / first) ** 0.5) * norm  # rough at first, where steps are guesses
        way = solved(partial(loss.curvature, curved), -gradient, loss.diagonal(curved), to)
        found, posteriors = loss.at(weights + way)
        while found > value and norm > near:
            way = way / 2
            found, posteriors = loss.at(weights + way)
        weights, value = weights + way, found
        gradient = loss.gradient(weights, posteriors)
    else:
        raise InputError("real-linear-exact: no optimum was found; leave the method out")
    turned: Tensor = weights @ loss.axes.T
    return turned


def terms(context: Context, images: Images) -> Terms:
    """`s f T' + alpha s f (W - T)'`: alpha is 0.5 for the average of both, 1 for W alone."""
    moved = (probe(context) - in_double(context.text)).to(images.features)
    scores = context.logit_scale * images.features @ moved.T
    return Terms(zero_shot_logits(context, images.features), fixed_votes(scores))


REAL_LINEAR = Method(
    name="real-linear-exact",
    paper="after Parashar et al., The Neglected Tails in Vision-Language Models, CVPR 2024 "
    "(REAL-Linear), trained to the optimum of a convex loss",
    terms=terms,
    needs=("support",),
    reads="texts",
    grid={"alpha": Points((0.5, 1.0))},
    fixed={"alpha": 0.5},
)
