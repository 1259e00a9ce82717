"""The modality gap: how alike are images and texts, of one class and of two.

CLIP is trained on cosines of images and texts, so that those of two images lie in another range and
are not calibrated. TIP-X therefore compares images through texts, by the affinities S of
`susx.methods.tip_x` (SuS-X, Udandarao et al., ICCV 2023).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from susx.evaluation.arrays import LabelledImages
from susx.methods import Context
from susx.methods.base import row_blocks
from susx.methods.tip_x import TEMPERATURE, Rescaling
from susx.report.pairs import Labels, products, sampled_pairs
from susx.report.schema import Histogram

PAIRS = 200_000
"""Pairs per histogram, at most."""
BINS = 50

Quantity = Literal["cosine", "affinity"]


@dataclass(frozen=True)
class Values:
    """What a histogram is made of: (P,) values of pairs."""

    quantity: Quantity
    pairs: str
    same_class: bool | None
    values: NDArray[np.float32]


def modality_gap(
    context: Context,
    images: LabelledImages,
    constants: Mapping[str, Tensor],
    seed: int,
    limit: int = PAIRS,
) -> list[Histogram]:
    """Histograms of cosines, and of affinities where there is a support set.

    Args:
        context: text, support set and its labels.
        images: the test images.
        constants: of `tip_x.calibrate`, where there is a support set.
        seed: of the sample of pairs.
        limit: pairs per histogram, at most.
    """
    features = images.images.features
    test = features.cpu().numpy(), images.labels.cpu().numpy()
    text = context.text.cpu().numpy(), np.arange(context.n_classes)
    found: list[Values] = []

    def add(
        quantity: Quantity,
        name: str,
        left: tuple[NDArray[Any], Labels],
        right: tuple[NDArray[Any], Labels] | None,
        kinds: Iterable[bool | None] = (True, False),
    ) -> None:
        for same_class in kinds:
            random = np.random.default_rng([seed, len(found)])
            classes = None if right is None else right[1]
            pairs = sampled_pairs(left[1], classes, same_class, limit, random)
            rows = left[0] if right is None else right[0]
            if len(pairs[0]):
                found.append(Values(quantity, name, same_class, products(left[0], rows, pairs)))

    add("cosine", "test image - test image", test, None)
    if context.support is not None:
        support = context.support.cpu().numpy(), context.required_labels.cpu().numpy()
        add("cosine", "test image - support image", test, support)
    add("cosine", "test image - text", test, text)
    add("cosine", "text - text", text, None, [None])
    if context.support is not None:
        ours, theirs = affinity_rows(context, features, Rescaling(*constants["rescaling"]))
        add("affinity", "test image - support image", (ours, test[1]), (theirs, support[1]))
    return histograms(found)


def affinity_rows(
    context: Context, features: Tensor, scale: Rescaling
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Rows whose inner products are the affinities S: (N, d + 2) and (M, d + 2).

    With x = f W' / T and log q = F W' / T - z, the divergence is
    `KL(p, q) = sum p log p - (p W) F' / T + z`: linear in F and z.
    """
    text = (context.text - context.text.mean(dim=0)) / TEMPERATURE  # softmax does not see it
    support = context.required_support
    ours = features.new_empty(len(features), features.shape[1] + 2)
    for rows in row_blocks(len(features), context.n_classes):
        x = features[rows] @ text.T
        log_p = x - _log_mean(x)  # plus log C, here and below: less rounding
        p = x.softmax(dim=1)
        negentropy = (p * log_p).sum(dim=1)
        ours[rows, :-2] = -scale.slope * (p @ text)
        ours[rows, -2] = scale.slope * (negentropy - scale.nearest) + scale.low
    ours[:, -1] = scale.slope
    theirs = torch.cat([support, support.new_ones(len(support), 2)], dim=1)
    for rows in row_blocks(len(support), context.n_classes):
        theirs[rows, -1:] = _log_mean(support[rows] @ text.T)
    return ours.cpu().numpy(), theirs.cpu().numpy()


def _log_mean(x: Tensor) -> Tensor:
    """(n, 1) logarithms of the means of `exp(x)`."""
    highest = x.amax(dim=1, keepdim=True)
    mean: Tensor = (x - highest).exp().mean(dim=1, keepdim=True).log()
    return mean + highest


def histograms(values: Iterable[Values], bins: int = BINS) -> list[Histogram]:
    """Count values; all of one quantity share their bins."""
    sets = list(values)
    ends: dict[str, tuple[float, float]] = {}
    for part in sets:
        low, high = ends.get(part.quantity, (np.inf, -np.inf))
        lowest, highest = float(part.values.min()), float(part.values.max())
        ends[part.quantity] = min(low, lowest), max(high, highest)
    found = []
    for part in sets:
        low, high = ends[part.quantity]
        margin = max(0.0, 1e-6 - (high - low))  # all values may be the same
        edges = np.linspace(low - margin, high + margin, bins + 1)
        counts = np.histogram(part.values.astype(np.float64), edges)[0]
        found.append(
            Histogram(
                quantity=part.quantity,
                pairs=part.pairs,
                same_class=part.same_class,
                edges=edges.tolist(),
                shares=(counts / len(part.values)).tolist(),
                mean=float(part.values.mean(dtype=np.float64)),
                n_pairs=len(part.values),
            )
        )
    return found
