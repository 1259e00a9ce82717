"""Bayesian fusion of a text classifier, a support set and unlabelled target images.

The posterior of class c for a target image x has two factors,

    p(c | x)  proportional to  exp(s x w_c) N(x; mu_c, Sigma),

the text classifier at the encoder's own logit scale s, and a Gaussian per class with a common
covariance. No label is used, and there is nothing to tune.

- **Means** come from the target images, each shared among the classes by its posterior, with the
  support set as a prior (empirical Bayes; Efron and Morris, JASA 1975). The support set is first
  moved by the mean difference of the domains, as far as that exceeds chance (James-Stein). Then
  the K support images of a class weigh as much as `1 / (1 / K + rho)` target images; `rho >= 0`
  is by how much support means and target means differ beyond chance, in units of the variance
  within classes. A foreign or mislabelled support set loses its weight, a faithful one keeps it.
- **Covariance**: pooled over target and support images, with the ridge of GDA (Wang et al.,
  ICLR 2024).
- **Leaving one out**: a target image is measured from means without its own share, so that no
  posterior confirms itself. Squared distances are freed of the bias from the means' own noise, so
  that rare classes are treated like frequent ones.

Posteriors start as the text's and are updated `UPDATES` times: an EM algorithm. TransCLIP (Zanella
et al., NeurIPS 2024) is a relative with fixed weights, a diagonal covariance and no support set.

A method of this project. It assumes unlabelled target images of the classes in question, in any
proportion, and a logit scale at which the text's posteriors are about calibrated, as contrastive
training leaves it. It is transductive: a prediction depends on the images it is made with.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from susx.methods.base import Context, Method, Terms, row_blocks, zero_shot_terms

if TYPE_CHECKING:
    from torch import Tensor

UPDATES = 3
"""Updates of Gaussians and posteriors."""
TINY = 1e-12
LEAST_SHARE = 0.1
"""Least number of images that a class mean is taken to rest on."""


@dataclass(frozen=True)
class Moments:
    """Images shared among classes.

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
    def freedom(self) -> float:
        """Degrees of freedom of the scatter about the class means."""
        return float((self.counts - self.squares / self.counts.clamp(min=TINY)).sum())

    def scatter(self, centres: Tensor) -> Tensor:
        """(d, d) scatter of the images about the given (C, d) centres of their classes."""
        cross = centres.T @ self.sums
        return self.products - cross - cross.T + (centres * self.counts[:, None]).T @ centres


@dataclass(frozen=True)
class Gaussians:
    """Class Gaussians with one covariance.

    Attributes:
        counts: (C,) number of target images that the means are worth.
        means: (C, d).
        noise: (C,) variance of `counts * means`, in units of the variance within a class.
        precision: (d, d) inverse covariance.
        spread: trace of precision times covariance, the bias of a squared distance per unit noise.
    """

    counts: Tensor
    means: Tensor
    noise: Tensor
    precision: Tensor
    spread: float


def label_moments(features: Tensor, labels: Tensor, n_classes: int) -> Moments:
    """Moments of (M, d) labelled images."""
    counts = labels.bincount(minlength=n_classes).to(features.dtype)
    sums = features.new_zeros(n_classes, features.shape[1]).index_add_(0, labels, features)
    return Moments(counts, sums, counts, features.T @ features)


def soft_moments(features: Tensor, shares: Tensor, products: Tensor) -> Moments:
    """Moments of (N, d) images shared among classes by (N, C) posteriors."""
    squares = shares.new_zeros(shares.shape[1])
    for rows in row_blocks(*shares.shape):
        squares += shares[rows].square().sum(dim=0)
    return Moments(shares.sum(dim=0), shares.T @ features, squares, products)


def gaussians(target: Moments, support: Moments) -> Gaussians:
    """Estimate class Gaussians of the target domain, with the support set as a prior.

    Features of both must be centred at the mean of the target images.
    """
    freedom = max(1.0, target.freedom + support.freedom)
    within = target.scatter(target.means).trace() + support.scatter(support.means).trace()
    variance = max(0.0, float(within)) / freedom
    prior = support.means + support_shift(target, support, variance)
    counts = prior_counts(target, support, prior, variance)
    total = target.counts + counts
    means = (target.sums + counts[:, None] * prior) / total.clamp(min=TINY)[:, None]
    covariance = target.scatter(means) + support.scatter(support.means)
    covariance = covariance.double() / freedom
    trace = float(covariance.trace())
    identity = covariance.new_ones(len(covariance)).diag()
    precision = identity
    if trace > TINY:
        precision = (covariance + trace / freedom * identity).inverse()
    spread = float((precision * covariance).sum())
    return Gaussians(total, means, target.squares + counts, precision.to(means.dtype), spread)


def support_shift(target: Moments, support: Moments, variance: float) -> Tensor:
    """(d,) difference of the domains' means at equal class frequencies, shrunk by its noise."""
    present = support.counts > 0
    n = target.counts[present].sum().clamp(min=TINY)
    frequencies = target.counts * present / n
    difference = target.sums[present].sum(dim=0) / n - frequencies @ support.means
    chance = variance * (1 / n + (frequencies.square() / support.counts.clamp(min=1)).sum())
    certain = 1 - chance / difference.square().sum().clamp(min=TINY)
    return difference * certain.clamp(min=0) if variance > 0 else 0 * difference


def prior_counts(target: Moments, support: Moments, prior: Tensor, variance: float) -> Tensor:
    """(C,) numbers of target images that the support images are worth, at most theirs."""
    present = support.counts > 0
    weights = target.counts * support.counts / (target.counts + support.counts).clamp(min=TINY)
    distances = (weights * (target.means - prior).square().sum(dim=1)).sum()
    chance = variance * present.sum()
    excess = (distances - chance).clamp(min=0) / (max(variance, TINY) * weights.sum()).clamp(TINY)
    return support.counts / (1 + support.counts * (excess if variance > 0 else 0))


def log_densities(features: Tensor, shares: Tensor, model: Gaussians) -> Tensor:
    """(N, C) log-densities up to a constant per image, each image left out of the means."""
    scores = features.new_empty(shares.shape)
    projected = model.means @ model.precision
    squared = (projected * model.means).sum(dim=1)
    for rows in row_blocks(len(features), max(shares.shape[1], features.shape[1])):
        block, own = features[rows], shares[rows]
        others = (model.counts - own).clamp(min=LEAST_SHARE)
        distances = ((block @ model.precision) * block).sum(dim=1, keepdim=True)
        distances = distances - 2 * block @ projected.T + squared
        distances *= (model.counts / others).square()
        distances -= model.spread * (model.noise - own.square()) / others.square()
        scores[rows] = -distances / 2
    return scores.sub_(scores.mean(dim=1, keepdim=True))


def experts(context: Context, features: Tensor) -> dict[str, Tensor]:
    """The two views' (N, C) logits, `text` and `gaussians`; their sum decides."""
    centre = features.mean(dim=0)
    images = features - centre
    support = label_moments(
        context.required_support - centre, context.required_labels, context.n_classes
    )
    products = images.T @ images
    logits = zero_shot_terms(context, features).zero_shot
    shares, scores = logits.softmax(dim=1), logits
    for _ in range(UPDATES):
        model = gaussians(soft_moments(images, shares, products), support)
        scores = log_densities(images, shares, model)
        shares = (logits + scores).softmax(dim=1)
    return {"text": logits, "gaussians": scores}


def terms(context: Context, features: Tensor) -> Terms:
    """The sum of both views' logits."""
    views = experts(context, features)
    return Terms(views["text"] + views["gaussians"])


FUSION = Method(
    name="fusion",
    paper="this project: text classifier and empirical-Bayes Gaussians of the classes",
    terms=terms,
    needs_support=True,
    transductive=True,
)
