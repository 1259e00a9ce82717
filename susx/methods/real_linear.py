"""A linear probe of images and texts that is pulled to the text classifier.

After REAL-Linear (Parashar et al., The Neglected Tails in Vision-Language Models, CVPR 2024): the
cross-entropy of `s x W'`, half of it from support images and half from texts, with W starting at
the text classifier T, and T and W averaged. The authors stop a stochastic optimiser long before
the optimum, so that their W depends on seed, batches and steps. Here a pull `lambda |W - T|^2`
stands in for stopping early: the loss is strictly convex, and its one optimum is the result.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
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
    scaled_cosines,
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

    Weights lie on the axes of the samples' second moments, where the diagonal of the curvature
    says most of it. Loss and gradient, which say where the optimum is, are in float64, of one block
    of samples at a time; the curvature, which only leads there, is in float32.
    """

    def __init__(self, context: Context) -> None:
        import torch

        texts, owners = context.required_texts
        support, labels = context.required_support, context.required_labels
        self._parts = [(support, labels), (texts, owners)]
        self.scale, text = context.logit_scale, in_double(context.text)
        moments = text.new_zeros(text.shape[1], text.shape[1])
        for _, share, x, _ in self._blocks():
            moments.addmm_(x.T, x, alpha=share)
        _, self.axes = torch.linalg.eigh(moments)
        self.text = text @ self.axes
        n = len(support) + len(texts)
        self._rotated = text.new_empty(n, len(moments), dtype=torch.float32)
        self._factors = text.new_empty(n, 1, dtype=torch.float32)
        for places, share, x, _ in self._blocks():
            self._rotated[places] = (x @ self.axes).float()
            self._factors[places] = self.scale**2 * share
        self._posteriors = text.new_empty(n, len(text), dtype=torch.float32)

    def _blocks(self) -> Iterator[tuple[slice, float, Tensor, Tensor]]:
        """Places of some samples, the share of each, (n, d) rows in float64 and (n,) classes."""
        start = 0
        for rows, labels in self._parts:
            for some in row_blocks(*rows.shape):
                places = slice(start + some.start, start + some.stop)
                x = in_double(rows[some])
                yield places, 0.5 / len(rows), x, labels[some].to(x.device)
            start += len(rows)

    def at(self, weights: Tensor) -> tuple[float, Tensor]:
        """The loss and its (C, d) gradient; the curvature is then that at these weights."""
        moved = weights - self.text
        value = PULL * float(moved.square().sum())
        gradient = (2 * PULL * moved) @ self.axes.T
        on_inputs = self.scale * weights @ self.axes.T
        for places, share, x, labels in self._blocks():
            logs = (x @ on_inputs.T).log_softmax(dim=1)
            value -= share * float(logs.gather(1, labels[:, None]).sum())
            posteriors = logs.exp_()
            self._posteriors[places] = posteriors.float()
            posteriors[range(len(x)), labels] -= 1
            gradient.addmm_(posteriors.T, x, alpha=self.scale * share)
        return value, gradient @ self.axes

    def diagonal(self) -> Tensor:
        """(C, d) second derivatives."""
        made: Tensor = self.text.new_full(self.text.shape, 2 * PULL)
        for p, x, factors in self._rough_blocks():
            made += (factors * p * (1 - p)).T @ x.square()
        return made

    def curvature(self, way: Tensor) -> Tensor:
        """(C, d) product of the Hessian with (C, d) directions."""
        made, toward = 2 * PULL * way, way.float()
        for p, x, factors in self._rough_blocks():
            slopes = (x @ toward.T).mul_(p)
            slopes -= p * slopes.sum(dim=1, keepdim=True)
            made += slopes.mul_(factors).T @ x
        return made

    def _rough_blocks(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """(n, C) posteriors of some samples, (n, d) rows and (n, 1) factors, in float32."""
        for some in row_blocks(*self._rotated.shape):
            yield self._posteriors[some], self._rotated[some], self._factors[some]


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
    value, gradient = loss.at(weights)
    first, last = float(gradient.norm()), math.inf
    near = NEAR * loss.scale
    for _ in range(STEPS):
        norm = float(gradient.norm())
        if not norm or last / 2 < norm < near:
            break
        last = norm
        to = min(0.1, (norm / first) ** 0.5) * norm  # rough at first, where steps are guesses
        way = solved(loss.curvature, -gradient, loss.diagonal(), to)
        found, gradient = loss.at(weights + way)
        while found > value and norm > near:
            way = way / 2
            found, gradient = loss.at(weights + way)
        weights, value = weights + way, found
    else:
        raise InputError("real-linear-exact: no optimum was found; leave the method out")
    turned: Tensor = weights @ loss.axes.T
    return turned


def terms(context: Context, images: Images) -> Terms:
    """`s f T' + alpha s f (W - T)'`: alpha is 0.5 for the average of both, 1 for W alone."""
    moved = (probe(context) - in_double(context.text)).to(images.features)
    scores = scaled_cosines(context, images.features, moved)
    return Terms(zero_shot_logits(context, images.features), fixed_votes(scores))


REAL_LINEAR = Method(
    name="real-linear-exact",
    paper="after Parashar et al., The Neglected Tails in Vision-Language Models, CVPR 2024 "
    "(REAL-Linear), trained to the optimum of a convex loss",
    terms=terms,
    needs=("support",),
    costly=True,
    reads="texts",
    grid={"alpha": Points((0.5, 1.0))},
    fixed={"alpha": 0.5},
)
