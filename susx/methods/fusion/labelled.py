"""What a support set knows of its own labels, each image measured without itself.

Classes are Gaussians with one covariance, whose inverse has the ridge of GDA (Wang et al., ICLR
2024). Every support image is left out of the mean and of the covariance (a rank-one change), which
gives scores that no image has helped to make. From them come, by maximum likelihood, a share of
wrong labels and the temperature at which the scores are probabilities of the labels. An image then
weighs as much as it is probable that its label is right, by both views: its scores and its text.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from susx.methods.base import Context, in_double, row_blocks, zero_shot_logits
from susx.methods.uncertainty import entropies

if TYPE_CHECKING:
    from torch import Tensor

    View = Callable[[slice], Tensor]

TINY = 1e-12
"""Least divisor: far below a share of an image that counts, and any variance of unit rows."""
TEXT_TEMPERATURES = tuple(2 ** (step / 4) for step in range(-10, 13))
"""Factors on the text's logits: from a sixth of the encoder's scale to eight times it."""
GAUSSIAN_TEMPERATURES = tuple(2 ** (step / 2) for step in range(-20, 3))
"""Factors on Gaussian scores: from mute to twice what the Gaussians say of themselves."""
WRONG_SHARES = (0.001, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.98)
"""Shares of wrong labels; neither certainty is among them, so that every image keeps a say."""
ROUNDS = 4
"""Rounds of weights and Gaussians; the weights of the third and fourth differ by little."""
LEAST_WEIGHT = 1e-3
"""Least weight of an image, as the least share of wrong labels."""
LEAST_POWER = -80.0
"""Least exponent beside one of 0, far below rounding; smaller powers are slow, as not normal."""
COMPANY = 0.5
"""Least weight of the other images of a class by which one of them can be measured."""
LEVERAGE = 0.95
"""Most of its own distance that an image can explain; beyond it, the rest is rounding."""


@dataclass(frozen=True)
class SupportView:
    """A support set as Gaussians, and what is known of them.

    Attributes:
        counts: (C,) images that each class mean rests on, by their weights.
        means: (C, d).
        scatter: (d, d) scatter about the class means.
        freedom: degrees of freedom of the scatter; 0 if no class has two images.
        information: share of the labels' uncertainty that the images explain, each measured from
            the others: 0 is chance, 1 is certainty.
        labels: images worth of labels that are explained, `information` times their number.
        text_likelihood: mean log-likelihood of the labels at every text temperature.
        gaussian_likelihood: the same at every Gaussian temperature.
        text_entropy: mean entropy of the text's posteriors at their best temperature, in nats.
        gaussian_entropy: the same of the Gaussians'.
    """

    counts: Tensor
    means: Tensor
    scatter: Tensor
    freedom: float = 0.0
    information: float = 0.0
    labels: float = 0.0
    text_likelihood: Tensor | None = None
    gaussian_likelihood: Tensor | None = None
    text_entropy: float = 0.0
    gaussian_entropy: float = 0.0

    @property
    def known(self) -> bool:
        """Whether the support set could be measured by itself."""
        return self.gaussian_likelihood is not None

    @property
    def likelihoods(self) -> Tensor:
        """(A, B) mean log-likelihoods of the labels by both views; zero where nothing is known."""
        if self.text_likelihood is None or self.gaussian_likelihood is None:
            shape = len(TEXT_TEMPERATURES), len(GAUSSIAN_TEMPERATURES)
            return self.means.new_zeros(shape)
        return self.text_likelihood[:, None] + self.gaussian_likelihood


@dataclass(frozen=True)
class LeftOut:
    """Scores of support images that are left out of what they are scored by.

    Attributes:
        features: (M, d).
        labels: (M,).
        weights: (M,).
        counts: (C,) sums of weights.
        means: (C, d).
        scatter: (d, d).
        freedom: of the scatter.
        inverse: (d, d) inverse covariance.
        spread: squared distance to expect within a class.
        projected: (C, d) products of the means with the inverse.
        between: (C, C) squared distances of the means.
    """

    features: Tensor
    labels: Tensor
    weights: Tensor
    counts: Tensor
    means: Tensor
    scatter: Tensor
    freedom: float
    inverse: Tensor
    spread: float
    projected: Tensor
    between: Tensor

    @property
    def others(self) -> Tensor:
        """(M,) weight of the other images of every image's class."""
        return (self.counts[self.labels] - self.weights).clamp(min=TINY)

    def scores(self, rows: slice) -> Tensor:
        """(m, C) log-densities of some images up to a constant per image."""
        own, weight = self.labels[rows], self.weights[rows]
        total, others = self.counts[own], self.others[rows]
        residual = self.features[rows] - self.means[own]
        length = (residual @ self.inverse * residual).sum(dim=1)
        share = weight * total / others / self.freedom
        gain = share / (1 - share * length).clamp(min=1 - LEVERAGE)
        # Products of the residual with the ways from its own mean to the others.
        products = residual @ self.projected.T
        products -= products.gather(1, own[:, None])
        distances = self.between[own].sub_(products, alpha=2).add_(length[:, None])
        distances += gain[:, None] * (length[:, None] - products).square()
        left = (total / others).square() * (length + gain * length.square())
        distances.scatter_(1, own[:, None], left[:, None])
        noise = (self.spread / self.counts.clamp(min=COMPANY)).repeat(len(own), 1)
        noise.scatter_(1, own[:, None], (self.spread / others.clamp(min=COMPANY))[:, None])
        return (noise - distances) / 2


def squared_distances(features: Tensor, means: Tensor, inverse: Tensor) -> Tensor:
    """(N, C) squared distances of features to means in the metric of an inverse covariance."""
    projected = means @ inverse
    lengths = ((features @ inverse) * features).sum(dim=1, keepdim=True)
    return lengths - 2 * features @ projected.T + (projected * means).sum(dim=1)


def ridge_inverse(scatter: Tensor, freedom: float) -> tuple[Tensor, float]:
    """(d, d) inverse covariance with the ridge of GDA, and the trace of its product with the first.

    The trace is the squared distance to expect within a class. Without any scatter it is 0, and the
    inverse the identity.
    """
    # With less than one degree of freedom there is no spread to speak of.
    freedom = max(1.0, freedom)
    covariance = in_double(scatter) / freedom
    identity = covariance.new_ones(len(covariance)).diag()
    trace = float(covariance.trace())
    if trace < TINY:
        return identity.to(scatter), 0.0
    inverse = (covariance + trace / freedom * identity).inverse()
    return inverse.to(scatter), float((inverse * covariance).sum())


def no_support(context: Context) -> SupportView:
    """The view of a support set that says nothing."""
    (classes, width), text = context.text.shape, context.text
    return SupportView(
        text.new_zeros(classes), text.new_zeros(classes, width), text.new_zeros(width, width)
    )


def support_view(context: Context) -> SupportView:
    """Measure the context's support set by itself.

    A support set whose labels are explained no better than by chance (by the Bayesian information
    criterion, with two parameters found) is as none. One without two images of a class cannot be
    measured, nor one that lacks classes, whose scores nothing could be weighed against: their means
    are kept.
    """
    if context.support is None:
        return no_support(context)
    features, labels = context.required_support, context.required_labels
    most = math.log(max(2, context.n_classes))
    parts = _left_out(context, features, labels, features.new_ones(len(features)))
    able = parts.others > COMPANY
    lacking = not bool((parts.counts > 0).all())
    if lacking or parts.spread == 0 or parts.freedom < 1 or able.sum() < 2:
        return SupportView(parts.counts, parts.means, 0 * parts.scatter)
    text = _own_likelihoods(
        features,
        labels,
        max(context.text.shape),
        TEXT_TEMPERATURES,
        lambda rows: zero_shot_logits(context, features[rows]),
    )
    found = _Labels.of(context, parts, able, text)
    # Weights found from the labels flatter them in later rounds: the first one tells.
    information, number = max(0.0, 1 + found.likelihood / most), int(able.sum())
    if information * number * most < math.log(number):
        return no_support(context)
    for _ in range(ROUNDS - 1):
        again = _left_out(context, features, labels, found.weights)
        able = again.others > COMPANY
        if again.freedom < 1 or able.sum() < 2:
            break
        parts, found = again, _Labels.of(context, again, able, text)
    return SupportView(
        counts=parts.counts,
        means=parts.means,
        scatter=parts.scatter,
        freedom=parts.freedom,
        information=information,
        labels=information * number,
        text_likelihood=found.text_likelihood,
        gaussian_likelihood=found.gaussian_likelihood,
        text_entropy=found.text_entropy,
        gaussian_entropy=found.gaussian_entropy,
    )


def _left_out(context: Context, features: Tensor, labels: Tensor, weights: Tensor) -> LeftOut:
    counts = weights.new_zeros(context.n_classes).index_add_(0, labels, weights)
    squares = weights.new_zeros(context.n_classes).index_add_(0, labels, weights.square())
    sums = features.new_zeros(context.n_classes, features.shape[1])
    sums.index_add_(0, labels, weights[:, None] * features)
    means = sums / counts.clamp(min=TINY)[:, None]
    means[counts == 0] = features.mean(dim=0)
    centred = features - means[labels]
    scatter = (weights[:, None] * centred).T @ centred
    freedom = float((counts - squares / counts.clamp(min=TINY)).sum())
    inverse, spread = ridge_inverse(scatter, freedom)
    return LeftOut(
        features=features,
        labels=labels,
        weights=weights,
        counts=counts,
        means=means,
        scatter=scatter,
        freedom=freedom,
        inverse=inverse,
        spread=spread,
        projected=(means - features.mean(dim=0)) @ inverse,
        between=squared_distances(means, means, inverse),
    )


@dataclass(frozen=True)
class _Labels:
    """How well both views explain the labels, and what the images weigh by that."""

    weights: Tensor
    likelihood: float
    text_likelihood: Tensor
    gaussian_likelihood: Tensor
    text_entropy: float
    gaussian_entropy: float

    @classmethod
    def of(cls, context: Context, parts: LeftOut, able: Tensor, text: Tensor) -> _Labels:
        """From scores of images left out; only those `able` to be measured count.

        `text` has the (A, M) log-likelihoods of the labels by the text.
        """
        classes, widest = context.n_classes, max(context.text.shape)
        own = _own_likelihoods(
            parts.features, parts.labels, widest, GAUSSIAN_TEMPERATURES, parts.scores
        )
        likelihoods = own.new_empty(len(WRONG_SHARES), len(own))
        for row, wrong in zip(likelihoods, WRONG_SHARES, strict=True):
            row.copy_(_mean_likelihoods(own[:, able], wrong, classes))
        number, place = divmod(int(likelihoods.argmax()), len(own))
        share = WRONG_SHARES[number]
        of_text = _mean_likelihoods(text[:, able], share, classes)
        factors = TEXT_TEMPERATURES[int(of_text.argmax())], GAUSSIAN_TEMPERATURES[place]
        right, doubt = _agreement(context, parts, *factors)
        weights = (1 - share) * right / ((1 - share) * right + share / classes)
        weights = weights.where(able, 1 - share).clamp(min=LEAST_WEIGHT)
        mass = (weights * able)[:, None]
        text_entropy, gaussian_entropy = ((mass * doubt).sum(dim=0) / mass.sum()).tolist()
        return cls(
            weights,
            float(likelihoods.max()),
            of_text,
            likelihoods[number],
            text_entropy,
            gaussian_entropy,
        )


def _mean_likelihoods(own: Tensor, wrong: float, classes: int) -> Tensor:
    """(T,) means over images, where a share of the labels is one of all classes by chance."""
    return ((1 - wrong) * own.exp() + wrong / classes).log().mean(dim=1)


def _own_likelihoods(
    like: Tensor, labels: Tensor, classes: int, grid: Sequence[float], view: View
) -> Tensor:
    """(T, M) log-likelihoods of the images' labels by a view, at every temperature of a grid."""
    import torch

    made = like.new_empty(len(grid), len(labels))
    for rows in row_blocks(len(labels), classes):
        logits = view(rows)
        logits -= logits.amax(dim=1, keepdim=True)
        own, powers = logits.gather(1, labels[rows, None])[:, 0], torch.empty_like(logits)
        for place, factor in enumerate(grid):
            torch.mul(logits, factor, out=powers).clamp_(min=LEAST_POWER)
            made[place, rows] = factor * own - powers.exp_().sum(dim=1).log()
    return made


def _agreement(
    context: Context, parts: LeftOut, text_factor: float, gaussian_factor: float
) -> tuple[Tensor, Tensor]:
    """(M,) probabilities of the labels by both views' geometric mean; (M, 2) entropies by view."""
    number = len(parts.features)
    right, doubt = parts.features.new_empty(number), parts.features.new_empty(number, 2)
    for rows in row_blocks(number, max(context.text.shape)):
        text = (text_factor * zero_shot_logits(context, parts.features[rows])).log_softmax(dim=1)
        gaussians = (gaussian_factor * parts.scores(rows)).log_softmax(dim=1)
        pooled = ((text + gaussians) / 2).softmax(dim=1)
        right[rows] = pooled.gather(1, parts.labels[rows, None])[:, 0]
        for place, view in enumerate((text, gaussians)):
            doubt[rows, place] = entropies(view)
    return right, doubt
