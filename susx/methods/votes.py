"""Cache votes at many values of beta at once.

The vote of a class is a sum over its support images, `v(beta) = sum_j w_j exp(-beta t_j)` with
`t_j = 1 - x_j` and a weight `w_j = exp(scale s_j)` where images have scores, else 1. But for a
factor `exp(-beta r)` it is a smooth function of beta, which a polynomial through its values at
some twenty nodes gives to rounding at any number of values. The nodes are those of Chebyshev
interpolation, moved to an evenly spaced lattice: there each power follows from the one before by
multiplications alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from susx.methods.ragged import index_of, tables

TILE_ELEMENTS = {"cpu": 2**17, "cuda": 2**24, "mps": 2**22}
"""Affinities worked on at once, by kind of device: on a CPU what its inner cache holds.

An eighth of it, or eight times, is no faster in `tests.benchmarks.bench_search`, and so with the
next. Those of GPUs were not measured.
"""
PRODUCT_ELEMENTS = {"cpu": 2**19, "cuda": 2**26, "mps": 2**24}
"""Affinities computed at once, by kind of device."""
TRUNCATION = {torch.float32: 1e-8, torch.float64: 1e-14}
"""Error of interpolation, relative to the larger value at both ends of the range of beta.

In float32 a sixth of a rounding, for one or two nodes more than a whole one takes. In float64 the
least power of ten that interpolation reaches, whose matrix is in float64 itself.
"""
SPREAD_STEP = 1 / 16
"""Spreads of distances, at most 2, are rounded up to one of 32 multiples to choose nodes."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class SizeGroup:
    """Classes of similar size.

    Attributes:
        classes: (c,) indices.
        support: (c, K, d) their support images, repeated to a common number.
        scores: (c, K) scores, -inf for repetitions.
    """

    classes: Tensor
    support: Tensor
    scores: Tensor


def group_by_class(
    support: Tensor, labels: Tensor, n_classes: int, scores: Tensor | None = None
) -> list[SizeGroup]:
    """Sort a support set by class. Classes without support images are in no group.

    Args:
        support: (M, d) unit rows.
        labels: (M,) classes.
        n_classes: number of classes C.
        scores: (M,) logarithms of weights, per unit of scale.
    """
    order = labels.argsort(stable=True)
    groups = []
    for classes, places in tables(labels.bincount(minlength=n_classes)):
        rows = order[places]
        group = support.new_zeros(rows.shape) if scores is None else scores[rows]
        group[:, 1:].masked_fill_(places[:, 1:] == places[:, :-1], -torch.inf)
        groups.append(SizeGroup(classes, _rows_at(support, rows), group))
    return groups


def _rows_at(support: Tensor, places: Tensor) -> Tensor:
    """(c, K, d) rows at (c, K) places; no copy of them where they lie in that order."""
    first = int(places[0, 0])
    in_order = torch.arange(first, first + places.numel(), device=places.device)
    if torch.equal(places.flatten(), in_order):
        return support[first : first + places.numel()].reshape(*places.shape, -1)
    return support[places]


def sweep(
    features: Tensor,
    groups: Sequence[SizeGroup],
    n_classes: int,
    betas: Sequence[float],
    scales: Sequence[float] = (0.0,),
) -> Tensor:
    """Compute `exp(-beta (1 - f F')) diag(exp(scale s)) L` for every beta and scale.

    Args:
        features: (n, d) unit rows.
        groups: the support set by class, with its scores s.
        n_classes: number of classes C.
        betas: values.
        scales: factors on the scores.

    Returns:
        (len(betas), len(scales), n, C) votes, contiguous with the last two axes swapped.
    """
    n, kind = len(features), features.device.type
    n_points = len(betas) * len(scales)
    complete = sum(len(group.classes) for group in groups) == n_classes
    make = features.new_empty if complete else features.new_zeros
    votes = make(len(betas), len(scales), n_classes, n)
    for group in groups:
        _, size, dimension = group.support.shape
        classes = group.classes.tolist()
        for part in _pieces(len(group.classes), PRODUCT_ELEMENTS[kind] // max(1, n * size)):
            affinity = group.support[part].reshape(-1, dimension) @ features.T
            affinity = affinity.view(-1, size, n)
            weights = _weights(group.scores[part], scales)
            # Results may take the room of eight tiles; 64 columns are four lines of a cache.
            columns = TILE_ELEMENTS[kind] // max(size, n_points // 8)
            for rows in _pieces(n, max(64, columns)):
                height = min(n, rows.stop) - rows.start
                for tile in _pieces(len(affinity), columns // height):
                    distance = 1 - affinity[tile, :, rows]
                    made = _class_votes(distance, weights[tile], betas)
                    votes[:, :, index_of(classes[part][tile]), rows] = made.movedim(1, 2)
    return votes.transpose(2, 3)


def votes_at(
    features: Tensor,
    groups: Sequence[SizeGroup],
    n_classes: int,
    points: Sequence[tuple[float, ...]],
) -> Tensor:
    """Compute (P, n, C) votes at P points (beta,) or (beta, scale), in any order.

    Points that are all combinations of some values share one `sweep`.
    """
    betas, *scales = (sorted(set(values)) for values in zip(*points, strict=True))
    if list(product(betas, *scales)) == list(points):
        return sweep(features, groups, n_classes, betas, *scales).flatten(0, 1)
    votes = features.new_empty(len(points), n_classes, len(features)).transpose(1, 2)
    for rest in {point[1:] for point in points}:
        places = [i for i, point in enumerate(points) if point[1:] == rest]
        made = sweep(features, groups, n_classes, [points[i][0] for i in places], rest or (0.0,))
        votes[places] = made[:, 0]
    return votes


def _pieces(n: int, size: int) -> Iterator[slice]:
    for start in range(0, n, max(1, size)):
        yield slice(start, start + max(1, size))


def _weights(scores: Tensor, scales: Sequence[float]) -> Tensor:
    """(c, len(scales), K) weights of (c, K) support images, 0 for repetitions."""
    real = scores > -torch.inf
    finite = scores.masked_fill(~real, 0)
    factors = torch.tensor(list(scales), dtype=scores.dtype, device=scores.device)
    return (finite[:, None] * factors[:, None]).exp_().mul_(real[:, None])


def _class_votes(distance: Tensor, weights: Tensor, betas: Sequence[float]) -> Tensor:
    """(B, c, G, n) votes from (c, K, n) distances and (c, G, K) weights."""
    nearest = distance.amin(dim=1, keepdim=True)
    distance -= nearest
    spread = math.ceil(float(distance.max()) / SPREAD_STEP) * SPREAD_STEP
    nodes, steps, matrix = _nodes(tuple(betas), spread, TRUNCATION[distance.dtype])
    shape = (len(nodes), len(weights), weights.shape[1], distance.shape[2])
    sums = distance.new_empty(shape)
    for powers, total in zip(_powers(distance, nodes, steps), sums, strict=True):
        torch.bmm(weights, powers, out=total)
    values = distance.new_tensor(betas)[:, None, None, None]
    if matrix is None:
        return sums.mul_((-values * nearest).exp_())
    # Values at both ends are made equal: interpolation errs relative to the largest.
    places = distance.new_tensor(nodes)[:, None, None, None]
    decay = (sums[0] / sums[-1]).log_().div_(places[-1] - places[0]).nan_to_num_(0, 0, 0)
    sums *= ((places - places[0]) * decay).exp_()
    made = (distance.new_tensor(matrix) @ sums.flatten(1)).view(-1, *shape[1:])
    return made.mul_(((places[0] - values) * decay - values * nearest).exp_())


def _powers(distance: Tensor, nodes: Array, steps: NDArray[np.int64]) -> Iterator[Tensor]:
    """Yield `exp(-beta t)` at every node; a yielded tensor is valid until the next.

    Args:
        distance: t.
        nodes: values of beta.
        steps: differences of nodes in units of the lattice, changing by at most one; empty if
            the nodes are on none.
    """
    if not len(steps):
        for node in nodes:
            yield (distance * -node).exp_()
        return
    powers = (distance * -nodes[0]).exp_()
    yield powers
    unit = (nodes[-1] - nodes[0]) / steps.sum()
    base = (distance * -unit).exp_()
    inverse, ratio = base.reciprocal(), base.clone()
    for i, step in enumerate(steps):
        change = step - (steps[i - 1] if i else 1)
        if change:
            ratio.mul_(base if change > 0 else inverse)
        yield powers.mul_(ratio)


@lru_cache(maxsize=256)  # the 32 spreads of eight grids
def _nodes(
    betas: tuple[float, ...], spread: float, tolerance: float
) -> tuple[Array, NDArray[np.int64], Array | None]:
    """Choose nodes from which `exp(-beta t)`, 0 <= t <= spread, is interpolated at `betas`.

    Returns:
        The nodes, their differences in units of the lattice, and the (B, nodes) matrix of
        interpolation; without the latter two, the nodes are `betas` themselves.
    """
    wanted = np.array(betas)
    t = np.linspace(0, spread, 33)  # the error changes smoothly with t
    exact = np.exp(-np.outer(wanted - wanted.min(), t))
    count = 2 if spread else 1  # equal distances differ by a factor alone
    while count < len(betas):
        nodes, steps = _lattice(count, wanted.min(), wanted.max())
        matrix = _interpolation(nodes, wanted)
        if np.abs(matrix @ np.exp(-np.outer(nodes - nodes[0], t)) - exact).max() <= tolerance:
            return nodes, steps, matrix
        count += 1
    return wanted, np.zeros(0, np.int64), None


def _lattice(count: int, first: float, last: float) -> tuple[Array, NDArray[np.int64]]:
    """Nodes from first to last whose gaps are those of Chebyshev's, in whole numbers."""
    places = np.arange(1, count) / count
    steps = np.rint(count / np.pi * np.sin(np.pi * places)).astype(np.int64).clip(min=1)
    lattice = np.concatenate([[0], steps.cumsum()])
    return first + (last - first) * lattice / max(1, lattice[-1]), steps


def _interpolation(nodes: Array, points: Array) -> Array:
    """(P, nodes) matrix of polynomial interpolation in Lagrange's form."""
    gaps = nodes[:, None] - nodes + np.eye(len(nodes))
    differences = points[:, None] - nodes
    columns = [
        (np.delete(differences, k, axis=1) / np.delete(gaps[k], k)).prod(axis=1)
        for k in range(len(nodes))
    ]
    return np.stack(columns, axis=1)
