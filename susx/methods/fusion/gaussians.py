"""Gaussians of the classes, from unlabelled target images and a support set.

Means are empirical-Bayes estimates (Efron and Morris, JASA 1975) in the metric of one covariance.
What each source is worth is estimated, in numbers of target images of certain class:

- a **target image** counts for a class by its posterior, and less where posteriors are uncertain,
  as images of other classes then distort the mean (`target_trust`);
- **support images** are moved by the mean difference of the domains, as far as that exceeds chance
  (James-Stein), and are worth `K / (1 + K rho)`, where `rho` is by how much support means are
  farther from target means than chance, the same for all classes;
- the **mean of all** is worth the ratio of the variances within and between classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from susx.methods.base import row_blocks
from susx.methods.fusion.labelled import (
    LEVERAGE,
    TINY,
    SupportView,
    ridge_inverse,
    squared_distances,
)

if TYPE_CHECKING:
    from torch import Tensor

LEAST_RATIO = 0.05
"""Least variance between classes in that within; below it, noise alone would decide."""
FEW = 10.0
"""Degrees of freedom below which target images give no variance within classes of their own."""


@dataclass(frozen=True)
class Moments:
    """Target images shared among classes.

    Attributes:
        counts: (C,) images per class.
        sums: (C, d) sums of their features.
        squares: (C,) sums of squared shares.
        products: (d, d) sum of the outer products of all images with themselves.
    """

    counts: Tensor
    sums: Tensor
    squares: Tensor
    products: Tensor

    @property
    def means(self) -> Tensor:
        """(C, d) class means, zero without images."""
        return self.sums / self.counts.clamp(min=TINY)[:, None]

    @property
    def impurity(self) -> Tensor:
        """(C,) share of other classes' images to expect among those that a class is given."""
        return (1 - self.squares / self.counts.clamp(min=TINY)).clamp(min=0)

    @property
    def freedom(self) -> float:
        """Degrees of freedom of the scatter about the class means."""
        return float((self.counts - self.squares / self.counts.clamp(min=TINY)).sum())

    def scatter(self) -> Tensor:
        """(d, d) scatter of the images about the means of their classes."""
        return self.products - self.means.T @ self.sums


@dataclass(frozen=True)
class Gaussians:
    """Class Gaussians with one covariance.

    Attributes:
        trust: (C,) what the share of a target image in a class is worth for the class's mean.
        worth: (C,) target images that the class's support images are worth.
        totals: (C,) target images that the means rest on, those that the priors are worth included.
        means: (C, d).
        noise: (C,) variance of `totals * means`, in units of the variance within a class.
        inverse: (d, d) inverse covariance.
        freedom: degrees of freedom of the covariance.
        spread: squared distance to expect within a class, and the bias of a squared distance per
            unit of noise.
    """

    trust: Tensor
    worth: Tensor
    totals: Tensor
    means: Tensor
    noise: Tensor
    inverse: Tensor
    freedom: float
    spread: float


@dataclass(frozen=True)
class Scores:
    """Gaussian scores of images that are left out of what they are scored by.

    Attributes:
        densities: (N, C) log-densities up to a constant per image, at most 0.
        noise: mean variance of a class mean, in units of the variance within a class.
        borrowed: mean square of the share of a class mean that the support set makes.
    """

    densities: Tensor
    noise: float
    borrowed: float


def soft_moments(features: Tensor, shares: Tensor, products: Tensor) -> Moments:
    """Moments of (N, d) images shared among classes by (N, C) posteriors."""
    return Moments(shares.sum(dim=0), shares.T @ features, overlap(shares, shares), products)


def overlap(shares: Tensor, others: Tensor) -> Tensor:
    """(C,) sums over images of the products of two (N, C) shares."""
    sums = shares.new_zeros(shares.shape[1])
    for rows in row_blocks(*shares.shape):
        sums += (shares[rows] * others[rows]).sum(dim=0)
    return sums


def estimate(target: Moments, calibrated: Tensor, support: SupportView) -> Gaussians | None:
    """Estimate the Gaussians; None where there is no spread within classes to measure by.

    Args:
        target: moments of the target images, centred at their mean.
        calibrated: (C,) sums of products of the shares with calibrated posteriors.
        support: the support set, its means centred likewise.
    """
    scatter, freedom = target.scatter(), target.freedom
    inverse, spread = ridge_inverse(scatter + support.scatter, freedom + support.freedom)
    if freedom + support.freedom < 1 or spread < TINY:
        return None
    within = float((inverse * scatter).sum()) / freedom if freedom > FEW else spread
    total = float((inverse * target.products).sum() / target.counts.sum())
    ratio = max(total - within, LEAST_RATIO * spread) / spread
    trust = target_trust(target.counts, target.impurity, ratio)
    impurity = (1 - calibrated / target.counts.clamp(min=TINY)).clamp(min=0)
    certain = target.counts * target_trust(target.counts, impurity, ratio)
    centres = support.means + support_shift(target, support, inverse, spread)
    worth = support_worth(target.means - centres, certain, support.counts, inverse, spread)
    totals = trust * target.counts + worth + 1 / ratio
    sums = trust[:, None] * target.sums + worth[:, None] * centres
    return Gaussians(
        trust=trust,
        worth=worth,
        totals=totals,
        means=sums / totals[:, None],
        noise=trust.square() * target.squares + worth + 1 / ratio,
        inverse=inverse,
        freedom=freedom + support.freedom,
        spread=spread,
    )


def target_trust(counts: Tensor, impurity: Tensor, ratio: float) -> Tensor:
    """(C,) worth of a target image in a class mean that other classes' images distort.

    They are the share `impurity` of the class's `counts` images, and move its mean by about that
    share of the spread between classes, whose `ratio` to that within classes is given.
    """
    return 1 / (1 + counts * impurity.square() * ratio)


def support_shift(target: Moments, support: SupportView, inverse: Tensor, spread: float) -> Tensor:
    """(d,) difference of the domains' means at equal class frequencies, shrunk by its noise."""
    present = support.counts > 0
    images = target.counts[present].sum().clamp(min=TINY)
    frequencies = target.counts * present / images
    difference = target.sums[present].sum(dim=0) / images - frequencies @ support.means
    chance = 1 / images + (frequencies.square() / support.counts.clamp(min=TINY)).sum()
    squared = (difference @ inverse @ difference).clamp(min=TINY)
    # A single image would confirm itself: its own share of the mean is left out.
    alone = 1 - 1 / target.counts.sum()
    return alone * difference * (1 - spread * chance / squared).clamp(min=0)


def support_worth(
    difference: Tensor, certain: Tensor, counts: Tensor, inverse: Tensor, spread: float
) -> Tensor:
    """(C,) numbers of target images that the support images are worth, at most their own.

    The excess distance is one for all classes, as a lone image of another class would take a
    class's own support away; it is shrunk by one target image per class.

    Args:
        difference: (C, d) of target means from support means.
        certain: (C,) target images that the former rest on.
        counts: (C,) images that the latter rest on.
        inverse: (d, d) inverse covariance.
        spread: squared distance to expect within a class.
    """
    squared = ((difference @ inverse) * difference).sum(dim=1) / spread
    chance = 1 / certain.clamp(min=TINY) + 1 / counts.clamp(min=TINY)
    weights = certain * (counts > 0)
    excess = (weights * (squared - chance)).sum() / (weights.sum() + len(counts))
    return counts / (1 + counts * excess.clamp(min=0))


def left_out_scores(features: Tensor, shares: Tensor, model: Gaussians) -> Scores:
    """Score (N, d) images by Gaussians that they have helped to make by (N, C) shares.

    Every image is left out of means and covariance. Squared distances are freed of the bias from
    the means' own noise, so that rare classes are treated like frequent ones.
    """
    densities = features.new_empty(shares.shape)
    noise = borrowed = 0.0
    for rows in row_blocks(len(features), max(*shares.shape[1:], features.shape[1])):
        block, own = features[rows], model.trust * shares[rows]
        others = (model.totals - own).clamp(min=TINY)
        distances = squared_distances(block, model.means, model.inverse)
        residual = block - shares[rows] @ model.means
        projected = residual @ model.inverse
        length = (projected * residual).sum(dim=1, keepdim=True)
        gain = 1 / (model.freedom - length).clamp(min=(1 - LEVERAGE) * model.freedom)
        along = (projected * block).sum(dim=1, keepdim=True) - projected @ model.means.T
        distances += gain * along.square()
        distances *= (model.totals / others).square()
        variances = (model.noise - own.square()) / others.square()
        noise += float((shares[rows] * variances).sum()) / len(features)
        share = (model.worth / others).clamp(max=1)
        borrowed += float((shares[rows] * share.square()).sum()) / len(features)
        scores = (model.spread * variances - distances) / 2
        densities[rows] = scores - scores.amax(dim=1, keepdim=True)
    return Scores(densities, noise, borrowed)
