"""ADAPT's Gaussians: class means of all images, and one covariance of sure ones (NeurIPS 2025).

The mean of a class is that of all images by the text's posterior, pulled to its text. The six
images of lowest entropy that are taken for the class count twice in it, and the covariance is
theirs. The authors multiply CLIP's logits by the exponential of these scores over a constant, which
is another for every dataset, without a rule. Such a product depends on what is added to all logits
of an image, which means nothing. It is left out here, hence the name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from susx.methods.base import Context, Images, Method, Terms, in_double
from susx.methods.classes import linear_scores
from susx.methods.oga import shrunk_inverse
from susx.methods.uncertainty import entropies

if TYPE_CHECKING:
    from torch import Tensor

SURE = 6
"""Images per class."""
TEXT_SHARE = 0.1
"""Of a mean. Both as published for all datasets."""


def surest(entropy: Tensor, labels: Tensor, n_classes: int) -> Tensor:
    """Places of the images of lowest entropy of every class, up to six each.

    Args:
        entropy: (N,) of the images' posteriors.
        labels: (N,) classes that they are taken for.
        n_classes: how many there are.
    """
    import torch

    found = []
    for label in range(n_classes):
        own = (labels == label).nonzero()[:, 0]
        found.append(own[entropy[own].topk(min(SURE, len(own)), largest=False).indices])
    return torch.cat(found)


def gaussian_scores(context: Context, features: Tensor) -> Tensor:
    """(N, C) linear discriminant scores of images by Gaussians of their own, in float64."""
    x, text = in_double(features), in_double(context.text)
    log_posteriors = (context.logit_scale * x @ text.T).log_softmax(dim=1)
    labels, posteriors = log_posteriors.argmax(dim=1), log_posteriors.exp()
    sure = surest(entropies(log_posteriors), labels, len(text))
    owners, counted = labels[sure], posteriors[sure, labels[sure]]
    shares = posteriors.sum(dim=0).index_add_(0, owners, counted)
    sums = (posteriors.T @ x).index_add_(0, owners, counted[:, None] * x[sure])
    shown = labels.bincount(minlength=len(text))[:, None] > 0
    means = ((1 - TEXT_SHARE) * sums / shares[:, None] + TEXT_SHARE * text).where(shown, text)
    return linear_scores(x, means, means @ shrunk_inverse(x[sure] - means[owners]))


def terms(context: Context, images: Images) -> Terms:
    """The discriminant scores stand in for logits."""
    return Terms(gaussian_scores(context, images.features).to(images.features))


ADAPT_GDA = Method(
    name="adapt-gda",
    paper="Zhang et al., Backpropagation-Free Test-Time Adaptation via Probabilistic Gaussian "
    "Alignment, NeurIPS 2025 (its Gaussians alone)",
    terms=terms,
    transductive=True,
)
