"""APE: a cache vote on refined channels with weighted support images (Zhu et al., ICCV 2023).

Channels are ranked by `J = -w S + (1 - w) V`: S is the mean product of the channel over pairs of
embeddings, texts and support images together, of different classes; V its variance over the text
classifier (eq. 4-8). The best ones, renormalised, give the affinities. A support image counts by
how far its own text prediction is from its label, `exp(gamma KL)` (eq. 11-13).

The pairs need no loop: their sum is `(sum of all)^2 - sum over classes (sum of class)^2`, and
their number follows from the class counts, which need not be equal.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from susx.methods import tip_adapter
from susx.methods.base import (
    Axis,
    Context,
    Fit,
    Grown,
    Images,
    Method,
    Terms,
    in_double,
    row_blocks,
    zero_shot_logits,
)
from susx.methods.classes import exact_class_sums
from susx.methods.tip_adapter import SUPPORT_ROWS, cache_votes, place_blocks

if TYPE_CHECKING:
    from torch import Tensor

KEPT = 0.66
SIMILARITY_WEIGHT = 0.5
"""Share of the channels that is kept, and weight w: near the means of the 11 published settings."""
EPSILON = 1e-6
"""Least probability in a divergence, as in the authors' code."""
VOTE_BLOCKS = 8
"""Blocks' room that the votes of all sizes may take: eight sizes of 1,000 classes fit in, so that
the products with a block of support images are still as large as is fast."""
SHORTEST = 1e-12
"""Least length that rows are divided by, as in PyTorch's `normalize`."""


def channel_criterion(text: Tensor, sums: Tensor, counts: Tensor) -> Tensor:
    """J of every channel, (d,); larger is better.

    Args:
        text: (C, d) unit rows.
        sums: (C, d) float64 sums of each class's support images.
        counts: (C,) numbers of these images.
    """
    text = in_double(text)
    sums, counts = text + sums, 1 + counts.double()
    pairs = counts.sum().square() - counts.square().sum()
    similarity = (sums.sum(dim=0).square() - sums.square().sum(dim=0)) / pairs
    variance = text.var(dim=0)
    return (1 - SIMILARITY_WEIGHT) * variance - SIMILARITY_WEIGHT * similarity


def best_channels(text: Tensor, sums: Tensor, counts: Tensor) -> Tensor:
    """(Q,) channels with the largest `channel_criterion`, in rising order."""
    n_kept = max(1, round(KEPT * text.shape[1]))
    best = channel_criterion(text, sums, counts).topk(n_kept).indices
    return best.sort().values.to(text.device)


def on_channels(rows: Tensor, channels: Tensor) -> Tensor:
    """Unit rows of the chosen channels only, (n, Q)."""
    from torch.nn.functional import normalize

    kept = rows.index_select(1, channels)
    return normalize(kept, dim=1, eps=SHORTEST, out=kept)


def image_scores(text: Tensor, support: Tensor, labels: Tensor) -> Tensor:
    """R of (M, Q) support images, (M,): the divergences of their labels from text's prediction."""
    predicted = support.new_empty(len(support))
    for rows in row_blocks(len(support), len(text)):
        shares = (support[rows] @ text.T).softmax(dim=1)
        predicted[rows] = shares.gather(1, labels[rows, None])[:, 0]
    return ((1 + EPSILON) / (predicted + EPSILON)).log2()


def voting_features(context: Context, features: Tensor) -> tuple[Context, Tensor, Tensor]:
    """What votes: the context and (N, d) features on the best channels, and (M,) scores R."""
    support, labels = context.required_support, context.required_labels
    found = exact_class_sums([(support, labels)], context.n_classes)
    channels = best_channels(context.text, *found)
    text, support = on_channels(context.text, channels), on_channels(support, channels)
    small = Context(text, context.logit_scale, support, labels)
    return small, on_channels(features, channels), image_scores(text, support, labels)


def votes_of(context: Context, features: Tensor, values: Mapping[str, float]) -> Tensor:
    """`alpha exp(-beta (1 - f' F'^T)) diag(exp(gamma KL))`: (N, M)."""
    small, kept, scores = voting_features(context, features)
    return tip_adapter.votes_of(small, kept, values) * (values["gamma"] * scores).exp()


def terms(context: Context, images: Images) -> Terms:
    """`s f W' + alpha exp(-beta (1 - f' F'^T)) diag(exp(gamma KL)) L`."""
    votes = cache_votes(*voting_features(context, images.features))
    return Terms(zero_shot_logits(context, images.features), votes, ("beta", "gamma"))


@dataclass(frozen=True)
class Refinement:
    """What a part of the support set makes of its images: votes `exp(slope f' F'^T + offset)`.

    Attributes:
        channels: (d,) whether a channel is among the best.
        slopes: (M,) `beta / |F'|`, not a number for an image outside of the part.
        offsets: (M,) `gamma KL - beta`, the same.
    """

    channels: Tensor
    slopes: Tensor
    offsets: Tensor


def refinements(fitted: Fit, parts: Sequence[Tensor]) -> Iterator[Refinement]:
    """Those of the first part of the support set, the first two, ..."""
    import torch

    context, values = fitted.context, fitted.hyperparameters
    text, support, labels = context.text, context.required_support, context.required_labels
    sums, counts = exact_class_sums([(support[:0], labels[:0])], context.n_classes)
    for n_parts, part in enumerate(parts, 1):
        more = exact_class_sums([(support[part], labels[part])], context.n_classes)
        sums, counts = sums + more[0], counts + more[1]
        channels = best_channels(text, sums, counts)
        small = on_channels(text, channels)
        slopes = support.new_full((len(support),), torch.nan)
        offsets = slopes.clone()
        for places in place_blocks(torch.cat(list(parts[:n_parts]))):
            kept = support.index_select(0, places).index_select(1, channels)
            lengths = kept.norm(dim=1).clamp_(min=SHORTEST)
            scores = image_scores(small, kept / lengths[:, None], labels[places])
            slopes[places] = values["beta"] / lengths
            offsets[places] = values["gamma"] * scores - values["beta"]
        mask = torch.zeros_like(text[0], dtype=torch.bool)
        yield Refinement(mask.index_fill_(0, channels, True), slopes, offsets)


class ChannelProducts:
    """Products of rows on several sets of channels, of which each has most of the others'.

    Those on the channels that all have are worked out once.
    """

    def __init__(self, rows: Tensor, masks: Tensor) -> None:
        """Take the (n, d) right rows, and a (K, d) mask of channels."""
        common = masks.all(dim=0)
        self._common, *self._others = (
            (channels, rows.index_select(1, channels).T)
            for channels in (mask.nonzero()[:, 0] for mask in (common, *(masks & ~common)))
        )
        self._shared, self._made = rows.new_empty(0), rows.new_empty(0)

    def of(self, rows: Tensor) -> Iterator[Tensor]:
        """The (m, n) products of (m, d) left rows on each set; the next overwrites them."""
        import torch

        channels, right = self._common
        size = len(rows), right.shape[1]
        shared = self._shared.resize_(size)
        torch.mm(rows.index_select(1, channels), right, out=shared)
        for n, (channels, right) in enumerate(self._others, 1):
            is_last = n == len(self._others)
            made = shared if is_last else self._made.resize_(size)
            yield torch.addmm(shared, rows.index_select(1, channels), right, out=made)


def growing(fitted: Fit, images: Images, parts: Sequence[Tensor]) -> Iterator[Grown]:
    """The logits with each part of the support set added; see `Method.growing`."""
    import torch

    context, alpha = fitted.context, fitted.hyperparameters["alpha"]
    support, labels = context.required_support, context.required_labels
    refined = list(refinements(fitted, parts))
    masks = torch.stack([one.channels for one in refined])
    votes_per_image = len(parts) * context.n_classes
    for rows in row_blocks(len(images), max(SUPPORT_ROWS, votes_per_image // VOTE_BLOCKS)):
        features = images.features[rows]
        lengths = (masks.to(features) @ features.square().T).sqrt_().clamp_(min=SHORTEST)
        inverse = lengths.reciprocal_()
        votes = features.new_zeros(len(parts), context.n_classes, len(features))
        for n, part in enumerate(parts):
            products = ChannelProducts(features, masks[n:])
            for places in place_blocks(part):
                rows_there = support.index_select(0, places)
                for k, made in enumerate(products.of(rows_there), n):
                    made.mul_(refined[k].slopes[places, None]).mul_(inverse[k])
                    made.add_(refined[k].offsets[places, None]).exp_()
                    votes[k].index_add_(0, labels[places], made)
        zero_shot = zero_shot_logits(context, features)
        for n_parts, vote in enumerate(votes, 1):
            yield Grown(n_parts, rows, vote.T.contiguous().mul_(alpha).add_(zero_shot))


APE = Method(
    name="ape",
    paper="Zhu et al., Not All Features Matter: Enhancing Few-shot CLIP with Adaptive Prior "
    "Refinement, ICCV 2023",
    terms=terms,
    needs=("support",),
    votes_of=votes_of,
    growing=growing,
    grid={
        "alpha": Axis(0.1, 7.0, 20, scaled=True),
        "beta": Axis(0.1, 7.0, 200),
        "gamma": Axis(0.0, 1.0, 20),
    },
    fixed={"alpha": 1.0, "beta": 1.0, "gamma": 0.1},
)
