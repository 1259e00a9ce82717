"""Cache votes for many values of beta at once.

The vote of a class is a sum over its support images, `sum_j exp(-beta (1 - x_j))`. Support images
are sorted by class, and along an arithmetic grid `exp(beta' (x - 1))` follows from the value at
the previous beta by one multiplication, in a block that stays in the processor's cache.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

BLOCK_ELEMENTS = {"cpu": 2**17, "cuda": 2**26, "mps": 2**24}
"""Affinities worked on at once, by kind of device."""
RESTART = 32
"""Multiplications after which rounding is shed by a fresh exponential."""


@dataclass(frozen=True)
class Group:
    """Classes of similar size: (c,) indices, (c, K, d) padded support, (c, K) what is padding."""

    classes: Tensor
    support: Tensor
    padding: Tensor


def group_by_class(support: Tensor, labels: Tensor, n_classes: int) -> list[Group]:
    """Sort a support set by class and pad classes to a common size.

    Classes of similar size share a group, which bounds padding by a factor of two however
    unbalanced the support set is. Classes without support images are in no group.

    Args:
        support: (M, d) unit rows.
        labels: (M,) classes.
        n_classes: number of classes C.
    """
    order = labels.argsort(stable=True)
    sizes = labels.bincount(minlength=n_classes)
    starts = sizes.cumsum(0) - sizes
    depths = sizes.clamp(min=1).double().log2().ceil()
    groups = []
    for depth in sorted(set(depths.tolist())):
        classes = ((depths == depth) & (sizes > 0)).nonzero()[:, 0]
        if len(classes):
            size = sizes[classes, None]
            places = torch.arange(int(size.max()), device=labels.device)
            rows = order[(starts[classes, None] + places).clamp(max=len(order) - 1)]
            groups.append(Group(classes, support[rows], places >= size))
    return groups


def sweep(
    features: Tensor, groups: Sequence[Group], n_classes: int, betas: Sequence[float]
) -> Tensor:
    """Compute `exp(-beta (1 - f F')) L` for every beta.

    Args:
        features: (n, d) unit rows.
        groups: the support set by class.
        n_classes: number of classes C.
        betas: values; fastest where evenly spaced.

    Returns:
        (len(betas), n, C) votes.
    """
    n, limit = len(features), BLOCK_ELEMENTS[features.device.type]
    votes = features.new_zeros(len(betas), n, n_classes)
    for group in groups:
        n_grouped, size, dimension = group.support.shape
        whole = n_grouped == n_classes
        target = votes if whole else features.new_empty(len(betas), n, n_grouped)
        width = max(1, limit // max(1, n * size))
        for start in range(0, n_grouped, width):
            chunk = slice(start, min(start + width, n_grouped))
            affinity = features @ group.support[chunk].reshape(-1, dimension).T
            affinity = affinity.view(n, -1, size).permute(2, 0, 1).contiguous()
            padding = group.padding[chunk]
            if padding.any():
                affinity.masked_fill_(padding.T[:, None, :], -torch.inf)
            for vote, powers in zip(target[:, :, chunk], _powers(affinity, betas), strict=True):
                torch.sum(powers, dim=0, out=vote)
        if not whole:
            votes[:, :, group.classes] = target
    return votes


def _powers(affinity: Tensor, betas: Sequence[float]) -> Iterator[Tensor]:
    """Yield `exp(beta (x - 1))` for every beta; a yielded tensor is valid until the next."""
    distance = affinity.sub_(1)
    powers = distance
    ratio: Tensor | None = None
    step = math.nan
    for i, beta in enumerate(betas):
        steady = i > 0 and math.isclose(beta - betas[i - 1], step, rel_tol=1e-9)
        if ratio is not None and steady and i % RESTART:
            powers.mul_(ratio)
        else:
            powers = (distance * beta).exp_()
            step = betas[i + 1] - beta if i + 1 < len(betas) else math.nan
            ratio = (distance * step).exp_()
        yield powers
