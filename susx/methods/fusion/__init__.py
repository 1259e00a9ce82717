"""Bayesian fusion of a text classifier, a support set and unlabelled target images.

1. **The support set by itself** (`labelled`): class Gaussians; each image, left out, tells how
   far its label can be trusted, and all together what the support set knows of its own labels.
2. **One classifier from both views** (`pooling`): temperatures of text and support set from the
   support set's labels and from both views' agreement on the target images, and weights that sum
   to 1. It classifies single images: `fusion-inductive`.
3. **The images themselves** (`gaussians`, `frequencies`): an EM algorithm that starts from the
   pooled posteriors. Class means come from target images, shared by their posteriors, and from
   support images at what they are worth; class frequencies may be zero. An image is scored without
   itself. Gaussians enter at the sharpness that the support set's had (0 without one), and, as the
   images per class grow, at their own.
4. **A bound**: the result may contradict the pooled posteriors no more than these say they err, in
   mean cross entropy. It is drawn back to them as far as that takes.

`fusion-text` is the same without a support set. TransCLIP (Zanella et al., NeurIPS 2024) is EM of a
text prior and class Gaussians, with a support set in its few-shot form; FreeTTA (CVPR 2025) and
DOTA do so on a stream; StatA (CVPR 2025) anchors the Gaussians at the text. What is of this project
is what the sources are worth, the shift of domains, and leaving out.

It assumes unlabelled target images of the classes in question, in any proportion. Without a support
set it assumes a logit scale at which the text's posteriors are about calibrated, as contrastive
training leaves it. `fusion` and `fusion-text` are transductive: a prediction depends on the images
that it is made with.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from susx.methods.base import Context, Images, Method, Terms, row_blocks, zero_shot_logits
from susx.methods.fusion.frequencies import concentrations, log_frequencies
from susx.methods.fusion.gaussians import estimate, left_out_scores, overlap, soft_moments
from susx.methods.fusion.labelled import support_view
from susx.methods.fusion.pooling import PooledViews, pool

if TYPE_CHECKING:
    from torch import Tensor

UPDATES = 6
"""Updates of Gaussians and posteriors; docs/fusion.md shows what fewer and more give."""
STARTS = 3
"""Updates of the class frequencies alone, before any Gaussian of the target images."""
PRIOR_IMAGES = 3.0
"""Images per class at which target Gaussians have come half the way to their own sharpness."""
STEPS = (1.0, 0.85, 0.7, 0.5, 0.35, 0.25, 0.12, 0.06)
"""Shares of the way from the pooled logits to the result that are tried against the bound."""
HALVINGS = 40
"""Halvings of the range of a temperature: to float32's precision."""
HOTTEST = 64.0
"""Highest temperature of the result: Gaussian logits of a thousand come down to CLIP's scale."""


@dataclass(frozen=True)
class Fused:
    """Logits of N images by what they rest on.

    Attributes:
        text: (N, C) by the text alone, at its temperature.
        pooled: (N, C) by text and support set.
        logits: (N, C) by these and the target images; their class is the prediction.
        calibrated: (N, C) the same with the Gaussians at the sharpness of the support set's.
    """

    text: Tensor
    pooled: Tensor
    logits: Tensor
    calibrated: Tensor

    def expected_accuracies(self) -> dict[str, float]:
        """Accuracy to expect by the posteriors' own confidence, as it grows with the sources."""
        return {
            "text": mean_confidence(self.text),
            "support": mean_confidence(self.pooled),
            "images": self.confidence,
        }

    @property
    def confidence(self) -> float:
        """Mean confidence that the sources warrant; images take nothing from what was known."""
        return max(mean_confidence(self.calibrated), mean_confidence(self.pooled))


def fuse(context: Context, features: Tensor) -> Fused:
    """Classify (N, d) unit rows together.

    Args:
        context: text classifier and, if any, support set.
        features: the images.
    """
    import torch

    support = support_view(context)
    parts = pool(context, support, features)
    text, pooled = zero_shot_logits(context, features), parts.logits(features)
    centre = features.mean(dim=0)
    images = features - centre
    products = images.T @ images
    # What the labels explain is what the means are worth; without pairs nothing is known of it.
    counts = support.counts * (support.information if support.known else 1.0)
    near = replace(support, counts=counts, means=support.means - centre)
    shares = _start(pooled, parts)
    logits = calibrated = pooled
    sure = shares
    for _ in range(UPDATES):
        target = soft_moments(images, shares, products)
        model = estimate(target, overlap(shares, sure), near)
        if model is None:
            break
        scores = left_out_scores(images, shares, model)
        sharpness = _sharpness(parts, scores.noise, scores.borrowed, len(features), len(counts))
        textual = parts.share * parts.temperature * text
        view = torch.add(textual, scores.densities, alpha=parts.gaussians * sharpness)
        prior = concentrations(view.softmax(dim=1).sum(dim=0))
        frequencies = log_frequencies(shares, prior)
        logits = bounded(pooled, view.add_(frequencies))
        honest = parts.gaussians * min(parts.sharpness, sharpness)
        calibrated = textual.add_(scores.densities, alpha=honest).add_(frequencies)
        shares, sure = logits.softmax(dim=1), calibrated.softmax(dim=1)
    return Fused(parts.temperature * text, pooled, logits, calibrated)


def _start(pooled: Tensor, parts: PooledViews) -> Tensor:
    """(N, C) posteriors to start from; frequencies join where a support set backs them."""
    shares = pooled.softmax(dim=1)
    if parts.sharpness == 0:
        return shares
    prior = concentrations(shares.sum(dim=0))
    for _ in range(STARTS):
        shares = (pooled + log_frequencies(shares, prior)).softmax(dim=1)
    return shares


def _sharpness(
    parts: PooledViews, noise: float, borrowed: float, images: int, classes: int
) -> float:
    """Factor on log-densities: means made by the support set are as sharp as it was found."""
    excess = max(1 / parts.sharpness - 1, 0.0) if parts.sharpness > 0 else 0.0
    own = 1 / (1 + noise + borrowed * excess)
    weight = images / (images + PRIOR_IMAGES * classes)
    return parts.sharpness + weight * (own - parts.sharpness)


def bounded(anchor: Tensor, logits: Tensor) -> Tensor:
    """(N, C) logits as far from those of the anchor as these say they err.

    The mean cross entropy of the result's posteriors with the anchor's must not exceed the mean
    entropy of the anchor's: of true classes it would be just that, were the anchor calibrated.
    """
    import torch

    allowed, way = _cross_entropy(anchor, anchor), logits - anchor
    for step in STEPS:
        made = torch.add(anchor, way, alpha=step)
        if _cross_entropy(made, anchor) <= allowed:
            return made
    return anchor


def _cross_entropy(logits: Tensor, anchor: Tensor) -> float:
    """Sum over images of the cross entropy of posteriors with those of an anchor, in nats."""
    total = 0.0
    for rows in row_blocks(*logits.shape):
        total -= float((logits[rows].softmax(dim=1) * anchor[rows].log_softmax(dim=1)).sum())
    return total


def mean_confidence(logits: Tensor) -> float:
    """Mean probability of the likeliest class."""
    blocks = (logits[rows].softmax(dim=1) for rows in row_blocks(*logits.shape))
    return sum(float(block.amax(dim=1).sum()) for block in blocks) / max(1, len(logits))


def tempered(logits: Tensor, confidence: float) -> Tensor:
    """Logits divided by the temperature at which their mean confidence is the one given."""
    low, high = 1.0, HOTTEST
    for _ in range(HALVINGS):
        middle = (low * high) ** 0.5
        low, high = (
            (middle, high) if mean_confidence(logits / middle) > confidence else (low, middle)
        )
    return logits / low


def terms(context: Context, images: Images) -> Terms:
    """Logits at the confidence that the sources warrant."""
    fused = fuse(context, images.features)
    expected = fused.expected_accuracies()
    return Terms(tempered(fused.logits, fused.confidence), expected=expected)


def terms_without_support(context: Context, images: Images) -> Terms:
    """The same from text and images alone."""
    made = terms(replace(context, support=None, support_labels=None), images)
    return replace(made, expected={})


def calibrate(context: Context, images: Images) -> dict[str, Tensor]:
    """The pooled linear classifier, from text and support set alone: no image is looked at."""
    parts = pool(context, support_view(context), images.features[:0])
    return {"weights": parts.weights, "offsets": parts.offsets}


def linear_terms(context: Context, images: Images) -> Terms:
    """Logits of every image by itself."""
    constants = context.constants or calibrate(context, images)
    return Terms(images.features @ constants["weights"].T + constants["offsets"])


PAPER = "this project: text classifier and empirical-Bayes Gaussians of the classes"

FUSION = Method(
    name="fusion",
    paper=PAPER,
    terms=terms,
    needs=("support",),
    transductive=True,
    costly=True,
)
FUSION_TEXT = Method(
    name="fusion-text",
    paper=f"{PAPER}, without a support set",
    terms=terms_without_support,
    transductive=True,
)
FUSION_INDUCTIVE = Method(
    name="fusion-inductive",
    paper=f"{PAPER}, without target images",
    terms=linear_terms,
    needs=("support",),
    costly=True,
    calibrate=calibrate,
)
