"""Frolic: image proxies from two text classifiers, corrected for the text's own class prior.

Zhu et al., NeurIPS 2024. The texts of all classes with the images give a diagonal covariance, and
with it a discriminant classifier; its labels and those of the text each give image proxies as in
InMaP, without equal class shares. Of the sum of both, confident images tell how classes are taken
for each other, whose stationary shares are divided out, eleven times. The authors' last printed
accuracy reads test labels; it is left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from susx.methods.base import Context, Images, Method, Terms, in_double, row_blocks
from susx.methods.classes import exact_class_means
from susx.methods.inmap import image_proxies, sharpened

if TYPE_CHECKING:
    from torch import Tensor

COVARIANCE_SHARE = 0.1
"""Weight of the variances against 1, as in the authors' code."""
ROUNDS = 11
POWER_STEPS = 100
TOLERANCE = 1e-3
"""Rounds of the correction, and the end of the power iteration, as published."""
ALL_SHOWN = "images of every class"
"""What the correction assumes: it takes a class that no image is taken for to be held back."""
LEAST_SHARE = 1e-12
"""Added to shares before their logarithm is taken, as published: a class that no image is taken for
gains 27.6 a round."""


def discriminant_of_texts(context: Context, features: Tensor) -> Tensor:
    """(N, C) scores `f V^-1 U' - U V^-1 U' / 2 - f V^-1 f' / 2`, in float64."""
    import torch

    texts, _ = context.required_texts
    variances = torch.cat([features, in_double(texts)]).var(dim=0)
    precision = 1 / (COVARIANCE_SHARE * variances + 1 - COVARIANCE_SHARE)
    means = text_prototypes(context)
    own = (means.square() * precision).sum(dim=1) / 2
    return features * precision @ means.T - own - (features.square() @ precision)[:, None] / 2


def text_prototypes(context: Context) -> Tensor:
    """(C, d) unit means of the texts of every class, in float64."""
    from torch.nn.functional import normalize

    means, _ = exact_class_means([context.required_texts], context.n_classes)
    return normalize(means, dim=1)


def corrected(logits: Tensor) -> Tensor:
    """Logits (N, C) less the logarithm of the shares that they give the classes by themselves."""
    n_classes = logits.shape[1]
    highest = logits.topk(min(2, n_classes), dim=1).values
    sure = highest[:, 0] - highest[:, -1] > 1 / n_classes
    best = logits.argmax(dim=1)
    sums = logits.new_zeros(n_classes, n_classes)
    for rows in row_blocks(*logits.shape):
        block = logits[rows][sure[rows]].softmax(dim=1)
        sums.index_add_(0, best[rows][sure[rows]], block)
    counts = best[sure].bincount(minlength=n_classes).clamp(min=1)
    taken = (sums / counts[:, None]).T
    shares = logits.new_full((n_classes,), 1 / n_classes)
    for _ in range(POWER_STEPS):
        before = shares
        shares = (taken @ shares).clamp(min=0)
        shares = shares / shares.sum() if shares.sum() > 0 else before
        if (shares - before).abs().sum() < TOLERANCE:
            break
    return logits - (shares + LEAST_SHARE).log()


def proxy_logits(context: Context, images: Images) -> Tensor:
    """(N, C) sum of the logits of both proxies, in float64.

    Raises:
        InputError: if only the finished text classifier is known.
    """
    scale = context.logit_scale
    x, text = in_double(images.features), in_double(context.text)
    views = x @ text_prototypes(context).T, discriminant_of_texts(context, x)
    logits = x.new_zeros(len(x), len(text))
    for view in views:
        proxies = image_proxies(x, text, sharpened((scale * view).softmax(dim=1)))
        logits += scale * x @ proxies.T
    return logits


def terms(context: Context, images: Images) -> Terms:
    """The corrected sum of the logits of both proxies.

    Raises:
        InputError: if only the finished text classifier is known.
    """
    logits = proxy_logits(context, images)
    for _ in range(ROUNDS):
        logits = corrected(logits)
    return Terms(logits.to(images.features))


FROLIC = Method(
    name="frolic",
    paper="Zhu et al., Enhancing Zero-Shot Vision Models by Label-Free Prompt Distribution "
    "Learning and Bias Correcting, NeurIPS 2024",
    terms=terms,
    transductive=True,
    assumes=(ALL_SHOWN,),
    reads="texts",
)
