"""Exact hyper-parameter search: the number of correct images at every point of a grid.

For given alpha and beta the logits are linear in the last hyper-parameter, so an image is
classified correctly exactly for an interval of it. One pass over the classes finds the interval;
counting intervals over the grid replaces evaluating it point by point.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from susx.methods import Terms

Grid = Mapping[str, Sequence[float]]


@dataclass(frozen=True)
class SearchResult:
    """Outcome of a search.

    Attributes:
        hyperparameters: the best grid point; ties go to the smallest alpha, then beta, then gamma.
        correct: number of images that it classifies correctly.
        counts: that number for every grid point, axes in the order of the grid.
    """

    hyperparameters: dict[str, float]
    correct: int
    counts: NDArray[np.int64]


def search(terms: Terms, labels: Tensor, grid: Grid) -> SearchResult:
    """Search a grid over any of alpha, beta and gamma exhaustively.

    Args:
        terms: a method's terms on (N, d) labelled images.
        labels: (N,) int64 true classes.
        grid: values per hyper-parameter; none for a method without any.
    """
    alphas, betas = grid.get("alpha", [0.0]), grid.get("beta", [0.0])
    gammas = grid.get("gamma")
    shape = (len(alphas), len(betas), len(gammas) if gammas else 1)
    counts = np.zeros(shape, dtype=np.int64)
    for j, beta in enumerate(betas):
        vote = terms.vote(beta) if terms.vote is not None else None
        if vote is not None and gammas is None:
            counts[:, j, 0] = correct_counts(terms.zero_shot, -vote, labels, alphas)
            continue
        for i, alpha in enumerate(alphas):
            base = terms.zero_shot if vote is None else terms.zero_shot + alpha * vote
            slope = torch.zeros_like(base) if terms.penalty is None else terms.penalty
            counts[i, j] = correct_counts(base, slope, labels, gammas or [0.0])
    best = np.unravel_index(int(counts.argmax()), shape)
    chosen = {
        name: float(grid[name][int(index)])
        for name, index in zip(("alpha", "beta", "gamma"), best, strict=True)
        if name in grid
    }
    counts = counts.reshape([len(values) for values in grid.values()] or [1])
    return SearchResult(chosen, int(counts.max()), counts)


def correct_counts(
    base: Tensor, slope: Tensor, labels: Tensor, values: Sequence[float]
) -> NDArray[np.int64]:
    """Count the rows whose `argmax(base - v * slope)` is their label, for every v.

    A row is correct where `v (slope_c - slope_y) > base_c - base_y` for all other classes c:
    above the largest of the lower bounds and below the smallest of the upper bounds. Where a
    class ties with the true one for every v, the lower index wins, as in argmax.

    Args:
        base: (N, C) logits at v = 0.
        slope: (N, C) what v times is taken away.
        labels: (N,) true classes.
        values: increasing values of v.

    Returns:
        (len(values),) counts.
    """
    truth = labels[:, None]
    lead = base - base.gather(1, truth)
    rise = slope - slope.gather(1, truth)
    ratio = lead / rise
    infinity = float("inf")
    earlier = torch.arange(base.shape[1], device=base.device) < truth
    # A class of higher index loses ties: its bounds belong to the interval, so move them outwards.
    lower = torch.where(earlier, ratio, ratio.nextafter(ratio.new_tensor(-infinity)))
    upper = torch.where(earlier, ratio, ratio.nextafter(ratio.new_tensor(infinity)))
    lower = torch.where(rise > 0, lower, -infinity).amax(dim=1)
    upper = torch.where(rise < 0, upper, infinity).amin(dim=1)
    never = (rise == 0) & ((lead > 0) | ((lead == 0) & earlier))
    upper = torch.where(never.any(dim=1), -infinity, upper)

    points = torch.tensor(list(values), dtype=base.dtype, device=base.device)
    first = torch.searchsorted(points, lower, right=True)
    last = torch.searchsorted(points, upper, right=False)
    valid = last > first
    starts = torch.bincount(first[valid], minlength=len(values) + 1)
    stops = torch.bincount(last[valid], minlength=len(values) + 1)
    counts = (starts - stops).cumsum(0)[: len(values)]
    return counts.cpu().numpy().astype(np.int64)
