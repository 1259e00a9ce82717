"""Bayesian fusion of a text classifier, a support set and unlabelled target images.

The posterior of class c for a target image x has two factors,

    p(c | x)  proportional to  exp(s x w_c) pi_c N(x; mu_c, Sigma),

the text classifier at the encoder's own logit scale s, and a Gaussian per class with a common
covariance. No label is used, and there is nothing to tune.

- **Means** are empirical-Bayes estimates in the metric of Sigma (Efron and Morris, JASA 1975) from
  the target images, each shared among the classes by its posterior, the support set, and the mean
  of all. What each is worth is estimated, in numbers of target images of certain class:
  the support set is first moved by the mean difference of the domains, as far as that exceeds
  chance (James-Stein); a class's K support images then are worth `1 / (1 / K + rho_c)`, where
  `rho_c >= 0` is by how much their mean is farther from that of the class's target images than
  the noise of both explains, so that a mislabelled or foreign class loses its support and a
  faithful one keeps it; a class whose target images are uncertain has its mean distorted by those
  of other classes, and counts them less (`target_trust`); the mean of all is worth the ratio of the
  variances within and between classes.
- **Covariance**: pooled over target and support images, with the ridge of GDA (Wang et al.,
  ICLR 2024).
- **Frequencies** `pi_c`: shares of the target images, one image added to each class.
- **Leaving one out**: a target image is measured from means and frequencies without its own share,
  so that no posterior confirms itself. Squared distances are freed of the bias from the means' own
  noise, so that rare classes are treated like frequent ones, and divided by one plus its mean.

Posteriors start as the text's and are updated `UPDATES` times: an EM algorithm. TransCLIP (Zanella
et al., NeurIPS 2024) is a relative with fixed weights, a diagonal covariance and no support set.

A method of this project. It assumes unlabelled target images of the classes in question, in any
proportion, and a logit scale at which the text's posteriors are about calibrated, as contrastive
training leaves it. It is transductive: a prediction depends on the images it is made with.
"""

from __future__ import annotations

from dataclasses import dataclass
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

UPDATES = 5
"""Updates of Gaussians and posteriors.

Chosen on the test beds of docs/fusion.md. On synthetic features (`tests.benchmarks.bench_fusion`)
they gain three quarters, or more, of what twenty gain over one.
"""
TINY = 1e-12
"""Least divisor: far below a share of an image that counts, and any variance of unit rows."""


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

    def scatter(self) -> Tensor:
        """(d, d) scatter of the images about the means of their classes."""
        return self.products - self.means.T @ self.sums


@dataclass(frozen=True)
class Model:
    """Class Gaussians with one covariance, and class frequencies.

    Attributes:
        counts: (C,) target images per class.
        trust: (C,) what the share of a target image in a class is worth for the class's mean.
        totals: (C,) images that the means rest on, those that the priors are worth included.
        means: (C, d).
        noise: (C,) variance of `totals * means`, in units of the variance within a class.
        precision: (d, d) inverse covariance.
        spread: trace of precision times covariance: the squared distance to expect within a class,
            and the bias of a squared distance per unit of noise.
    """

    counts: Tensor
    trust: Tensor
    totals: Tensor
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


def estimate(target: Moments, support: Moments) -> Model:
    """Estimate the model. Features of both must be centred at the mean of the target images."""
    precision, spread = shared_precision(target, support)
    between = (precision * target.products).sum() / target.counts.sum() - spread
    ratio = between.clamp(min=TINY) / max(spread, TINY)
    centres = support.means + support_shift(target, support, precision, spread)
    trust = target_trust(target, ratio)
    worth = support_worth(target, trust, support, centres, precision, spread)
    totals = trust * target.counts + worth + 1 / ratio
    sums = trust[:, None] * target.sums + worth[:, None] * centres
    return Model(
        counts=target.counts,
        trust=trust,
        totals=totals,
        means=sums / totals[:, None],
        noise=trust.square() * target.squares + worth + 1 / ratio,
        precision=precision,
        spread=spread,
    )


def target_trust(target: Moments, ratio: Tensor) -> Tensor:
    """(C,) worth of a target image in a class mean that other classes' images distort.

    `u_c = 1 - sum_i z_ic^2 / sum_i z_ic` is the share of them to expect among those that the class
    is given; they move its mean by about u_c times the spread between classes, whose `ratio` to
    that within classes is given.
    """
    foreign = 1 - target.squares / target.counts.clamp(min=TINY)
    return 1 / (1 + target.counts * foreign.square() * ratio)


def shared_precision(target: Moments, support: Moments) -> tuple[Tensor, float]:
    """(d, d) inverse of the pooled covariance with the ridge of GDA, and their product's trace.

    Without any spread within classes it is the identity, and the trace 0.
    """
    # With less than one degree of freedom there is no spread to speak of.
    freedom = max(1.0, target.freedom + support.freedom)
    covariance = in_double(target.scatter() + support.scatter()) / freedom
    identity = covariance.new_ones(len(covariance)).diag()
    trace = float(covariance.trace())
    if trace < TINY:
        return identity.to(target.sums), 0.0
    precision = (covariance + trace / freedom * identity).inverse()
    return precision.to(target.sums), float((precision * covariance).sum())


def support_shift(target: Moments, support: Moments, precision: Tensor, spread: float) -> Tensor:
    """(d,) difference of the domains' means at equal class frequencies, shrunk by its noise."""
    present = support.counts > 0
    images = target.counts[present].sum().clamp(min=TINY)
    frequencies = target.counts * present / images
    difference = target.sums[present].sum(dim=0) / images - frequencies @ support.means
    chance = 1 / images + (frequencies.square() / support.counts.clamp(min=1)).sum()
    squared = (difference @ precision @ difference).clamp(min=TINY)
    return difference * (1 - spread * chance / squared).clamp(min=0)


def support_worth(
    target: Moments,
    trust: Tensor,
    support: Moments,
    centres: Tensor,
    precision: Tensor,
    spread: float,
) -> Tensor:
    """(C,) numbers of target images that the support images are worth, at most their own."""
    difference = target.means - centres
    squared = ((difference @ precision) * difference).sum(dim=1)
    images = (trust * target.counts).clamp(min=TINY)
    chance = 1 / images + 1 / support.counts.clamp(min=TINY)
    excess = (squared / max(spread, TINY) - chance).clamp(min=0) if spread > 0 else 0 * squared
    return support.counts / (1 + support.counts * excess)


def log_densities(features: Tensor, shares: Tensor, model: Model) -> Tensor:
    """(N, C) log-densities plus log-frequencies, each image left out; centred per image."""
    densities = features.new_empty(shares.shape)
    noise = 0.0
    projected = model.means @ model.precision
    squared = (projected * model.means).sum(dim=1)
    for rows in row_blocks(len(features), max(shares.shape[1], features.shape[1])):
        block, own = features[rows], model.trust * shares[rows]
        others = (model.totals - own).clamp(min=TINY)
        distances = ((block @ model.precision) * block).sum(dim=1, keepdim=True)
        distances = distances - 2 * block @ projected.T + squared
        distances *= (model.totals / others).square()
        variances = (model.noise - own.square()) / others.square()
        noise += float((shares[rows] * variances).sum()) / len(features)
        densities[rows] = (model.spread * variances - distances) / 2
    densities /= 1 + noise
    densities += (model.counts - shares + 1).log()
    return densities.sub_(densities.mean(dim=1, keepdim=True))


def experts(context: Context, features: Tensor) -> dict[str, Tensor]:
    """The two views' (N, C) logits, `text` and `gaussians`; their sum decides."""
    centre = features.mean(dim=0)
    images = features - centre
    support = label_moments(
        context.required_support - centre, context.required_labels, context.n_classes
    )
    products = images.T @ images
    logits = zero_shot_logits(context, features)
    shares, scores = logits.softmax(dim=1), logits
    for _ in range(UPDATES):
        model = estimate(soft_moments(images, shares, products), support)
        scores = log_densities(images, shares, model)
        shares = (logits + scores).softmax(dim=1)
    return {"text": logits, "gaussians": scores}


def terms(context: Context, images: Images) -> Terms:
    """The sum of both views' logits."""
    views = experts(context, images.features)
    return Terms(views["text"] + views["gaussians"])


FUSION = Method(
    name="fusion",
    paper="this project: text classifier and empirical-Bayes Gaussians of the classes",
    terms=terms,
    needs=("support",),
    transductive=True,
)
