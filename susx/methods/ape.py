"""APE: a cache vote on refined channels with weighted support images (Zhu et al., ICCV 2023).

Channels are ranked by `J = -w S + (1 - w) V`: S is the mean product of the channel over pairs of
embeddings, texts and support images together, of different classes; V its variance over the text
classifier (eq. 4-8). The best ones, renormalised, give the affinities. A support image counts by
how far its own text prediction is from its label, `exp(gamma KL)` (eq. 11-13).

The pairs need no loop: their sum is `(sum of all)^2 - sum over classes (sum of class)^2`, and
their number follows from the class counts, which need not be equal.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from susx.methods import tip_adapter
from susx.methods.base import Axis, Context, Images, Method, Terms, in_double, zero_shot_logits
from susx.methods.tip_adapter import cache_votes

if TYPE_CHECKING:
    from torch import Tensor

KEPT = 0.66
SIMILARITY_WEIGHT = 0.5
"""Share of the channels that is kept, and weight w: near the means of the 11 published settings."""
EPSILON = 1e-6
"""Least probability in a divergence, as in the authors' code."""


def channel_criterion(context: Context) -> Tensor:
    """J of every channel, (d,); larger is better."""
    text, support = in_double(context.text), in_double(context.required_support)
    labels = context.required_labels.to(support.device)
    sums = text.index_add(0, labels, support)
    counts = 1 + labels.bincount(minlength=context.n_classes).double()
    pairs = counts.sum().square() - counts.square().sum()
    similarity = (sums.sum(dim=0).square() - sums.square().sum(dim=0)) / pairs
    variance = text.var(dim=0)
    return (1 - SIMILARITY_WEIGHT) * variance - SIMILARITY_WEIGHT * similarity


def on_channels(rows: Tensor, channels: Tensor) -> Tensor:
    """Unit rows of the chosen channels only, (n, Q)."""
    from torch.nn.functional import normalize

    return normalize(rows[:, channels], dim=1)


def voting_features(context: Context, features: Tensor) -> tuple[Context, Tensor, Tensor]:
    """What votes: the context and (N, d) features on the best channels, and (M,) scores R."""
    n_kept = max(1, round(KEPT * context.text.shape[1]))
    channels = channel_criterion(context).topk(n_kept).indices.to(context.text.device)
    text = on_channels(context.text, channels)
    support = on_channels(context.required_support, channels)
    labels = context.required_labels
    predicted = (support @ text.T).softmax(dim=1).gather(1, labels[:, None])[:, 0]
    divergence = ((1 + EPSILON) / (predicted + EPSILON)).log2()
    small = Context(text, context.logit_scale, support, labels)
    return small, on_channels(features, channels), divergence


def votes_of(context: Context, features: Tensor, values: Mapping[str, float]) -> Tensor:
    """`alpha exp(-beta (1 - f' F'^T)) diag(exp(gamma KL))`: (N, M)."""
    small, kept, divergence = voting_features(context, features)
    return tip_adapter.votes_of(small, kept, values) * (values["gamma"] * divergence).exp()


def terms(context: Context, images: Images) -> Terms:
    """`s f W' + alpha exp(-beta (1 - f' F'^T)) diag(exp(gamma KL)) L`."""
    votes = cache_votes(*voting_features(context, images.features))
    return Terms(zero_shot_logits(context, images.features), votes, ("beta", "gamma"))


APE = Method(
    name="ape",
    paper="Zhu et al., Not All Features Matter: Enhancing Few-shot CLIP with Adaptive Prior "
    "Refinement, ICCV 2023",
    terms=terms,
    needs=("support",),
    votes_of=votes_of,
    grid={
        "alpha": Axis(0.1, 7.0, 20, scaled=True),
        "beta": Axis(0.1, 7.0, 200),
        "gamma": Axis(0.0, 1.0, 20),
    },
    fixed={"alpha": 1.0, "beta": 1.0, "gamma": 0.1},
)
