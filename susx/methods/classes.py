"""Support images by class, of which some may have none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from susx.methods.base import in_double, row_blocks

if TYPE_CHECKING:
    from torch import Tensor

Samples = Sequence[tuple["Tensor", "Tensor"]]
"""(M, d) rows and their (M,) classes, in parts, of which there is one at least."""


def class_means(rows: Tensor, labels: Tensor, n_classes: int) -> tuple[Tensor, Tensor]:
    """Means of (M, d) rows over each class, (C, d), zero for an empty one, and (C,) counts."""
    counts = labels.bincount(minlength=n_classes)
    sums = rows.new_zeros(n_classes, rows.shape[1]).index_add_(0, labels, rows)
    return sums / counts.clamp(min=1)[:, None], counts


def exact_class_means(samples: Samples, n_classes: int) -> tuple[Tensor, Tensor]:
    """The same in float64, which the rows become block by block."""
    sums, counts = exact_class_sums(samples, n_classes)
    return sums.div_(counts.clamp(min=1)[:, None]), counts


def exact_class_sums(samples: Samples, n_classes: int) -> tuple[Tensor, Tensor]:
    """Sums of the rows over each class, (C, d), in float64, and (C,) counts."""
    first, owners = samples[0]
    sums = in_double(first.new_zeros(n_classes, first.shape[1]))
    counts = owners.new_zeros(n_classes, device=sums.device)
    for rows, labels in samples:
        labels = labels.to(sums.device)
        counts += labels.bincount(minlength=n_classes)
        for some in row_blocks(*rows.shape):
            sums.index_add_(0, labels[some], in_double(rows[some]))
    return sums, counts


def linear_scores(rows: Tensor, means: Tensor, weights: Tensor) -> Tensor:
    """(N, C) `f P mu_c - mu_c' P mu_c / 2` of Gaussians with one covariance.

    Args:
        rows: (N, d) features f.
        means: (C, d) class means mu.
        weights: (C, d) `mu P`, with the inverse P of the covariance.
    """
    return rows @ weights.T - (weights * means).sum(dim=1) / 2


def left_to_text(scores: Tensor, counts: Tensor) -> Tensor:
    """Give classes without support images the mean of the others' scores.

    That leaves their rank to the text. Scores are (..., C), counts (C,).
    """
    if counts.all():
        return scores
    others = scores[..., counts.nonzero()[:, 0]].mean(dim=-1, keepdim=True)
    return scores.where(counts > 0, others)
