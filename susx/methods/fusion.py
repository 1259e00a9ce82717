"""Calibrated fusion: three experts on a common scale, without labels or hyper-parameters.

Zero-shot scores `z = f W'`, the mean cache vote `e_c = mean_{j in c} exp(-beta (1 - f F_j'))` and
the Gaussian discriminant g judge every class. Each is centred per image and divided by its mean
standard deviation within an image, over the unlabelled target images at hand; their sum decides.
`1 / beta` is the median distance of a target image to its nearest support image, so that this
image's vote is of order one whatever the encoder's range of cosines.

A method of this project. The target images are needed for calibration only, and all at once: a
prediction depends a little on which images it is made together with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from susx.methods.base import (
    PUBLISHED_SCALE,
    Context,
    Images,
    Method,
    Terms,
    row_blocks,
    zero_shot_logits,
)
from susx.methods.gda import discriminant
from susx.methods.tip_adapter import cache_votes

if TYPE_CHECKING:
    from torch import Tensor

MIN_DISTANCE = 1e-3


def standardised(scores: Tensor) -> Tensor:
    """Centre (N, C) scores per image and divide by their mean deviation within an image."""
    centred = scores - scores.mean(dim=1, keepdim=True)
    spread = centred.square().mean(dim=1).sqrt().mean()
    return centred / spread if spread > 0 else centred


def nearest_beta(context: Context, features: Tensor) -> float:
    """`1 / median_i (1 - max_j f_i F_j')`, at most `1 / MIN_DISTANCE`."""
    support = context.required_support
    nearest = features.new_empty(len(features))
    for rows in row_blocks(len(features), len(support)):
        nearest[rows] = (features[rows] @ support.T).amax(dim=1)
    return 1 / max(float((1 - nearest).median()), MIN_DISTANCE)


def experts(context: Context, features: Tensor) -> dict[str, Tensor]:
    """The three experts' standardised (N, C) scores."""
    counts = context.required_labels.bincount(minlength=context.n_classes).clamp(min=1)
    zero_shot = zero_shot_logits(context, features)
    cache = Terms(zero_shot.new_zeros(zero_shot.shape), cache_votes(context, features), ("beta",))
    votes = cache.logits(alpha=1.0, beta=nearest_beta(context, features)) / counts
    scores = {"zero-shot": zero_shot, "cache": votes, "gda": discriminant(context, features)}
    return {name: standardised(values) for name, values in scores.items()}


def terms(context: Context, images: Images) -> Terms:
    """The experts' sum, times the logit scale over 100 to keep it in the range of logits."""
    features = images.features
    fused = sum(experts(context, features).values(), features.new_zeros(()))
    return Terms(fused * (context.logit_scale / PUBLISHED_SCALE))


FUSION = Method(
    name="fusion",
    paper="this project: calibrated fusion of zero-shot, cache vote and Gaussian discriminant",
    terms=terms,
    needs=("support",),
    transductive=True,
)
