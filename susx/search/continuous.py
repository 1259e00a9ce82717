"""The best value of the last linear hyper-parameter between grid values.

For given other hyper-parameters every image is right on one interval, so the optimum is a stretch
that most intervals cover. Lines (one per grid point of the others) that cannot reach the grid's
best are left out: between two neighbouring values no more images are right than at the lower one
and those whose intervals start in between. The ends of all intervals are kept only for as many
lines at a time as fit the memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from susx.search.blocks import BlockPlan
from susx.search.intervals import GridPoints, Problem, intervals

MAX_VALUES = 2**22
"""Entries of the histograms that bound lines, lines x values: 32 MiB each, in int64."""
MAX_PARTS = 64
"""Parts of a grid step in these histograms, at most: 256 take twice as long (`bench_search`)."""
SORT_ELEMENTS = 2**21
"""Ends sorted at once: 8 MiB in float32, and 16 of their order."""


@dataclass(frozen=True)
class Stretch:
    """The most-covered open stretch of a line.

    Attributes:
        correct: images that are right on it.
        line: number of the line, in the order of the grid.
        value: its middle.
    """

    correct: int
    line: int
    value: float

    def before(self, other: Stretch | None) -> bool:
        """Whether it is to be preferred."""
        return other is None or (-self.correct, self.line) < (-other.correct, other.line)


def refined_axis(values: Sequence[float], n_lines: int) -> tuple[list[float], int]:
    """Divide the steps of a grid into equal parts.

    Returns:
        Rising values, and the number of parts: every so many values there is one of the grid.
    """
    parts = min(MAX_PARTS, max(1, MAX_VALUES // (n_lines * len(values))))
    fine = [float(v) for a, b in pairwise(values) for v in np.linspace(a, b, parts, False)]
    return [*fine, values[-1]], parts


def best_stretch(
    problem: Problem,
    points: GridPoints,
    plan: BlockPlan,
    starts: Tensor,
    covered: Tensor,
    least: int,
) -> Stretch | None:
    """Find the stretch that most intervals cover, within the range of the grid.

    Ties go to the first line, then to the lowest stretch.

    Args:
        problem: what to search.
        points: P values of the nonlinear hyper-parameters.
        plan: sizes of blocks.
        starts: (outer, P, values + 1) intervals whose first value is this one; last, those without.
        covered: (outer, P, values) intervals that hold a value.
        least: number of correct images of interest.

    Returns:
        The best stretch; None if all are shorter than rounding or have fewer correct images.
    """
    if len(problem.inner) == 1:
        return None
    limits = (covered[..., :-1] + starts[..., 1:-1]).amax(dim=-1).flatten().cpu()
    lines = (limits >= least).nonzero()[:, 0]
    lines = lines[limits[lines].argsort(descending=True, stable=True)]
    best: Stretch | None = None
    while len(lines):
        batch, lines = lines[: plan.lines], lines[plan.lines :]
        lower, upper = _ends(problem, points, plan, batch.tolist())
        for found in _stretches(lower, upper, batch.tolist(), problem.inner):
            if found.correct >= least and found.before(best):
                best = found
        if best is not None:
            reach = limits[lines]
            lines = lines[(reach > best.correct) | ((reach == best.correct) & (lines < best.line))]
    return best


def _ends(
    problem: Problem, points: GridPoints, plan: BlockPlan, lines: list[int]
) -> tuple[Tensor, Tensor]:
    """(lines, N) lower and upper ends of all intervals of some lines."""
    zero_shot = problem.terms.zero_shot
    outer, place = (torch.tensor(part) for part in np.divmod(lines, len(points)))
    used = sorted(set(place.tolist()))
    position = torch.searchsorted(torch.tensor(used), place)
    some = [points[i] for i in used]
    lower = zero_shot.new_empty(len(lines), len(zero_shot))
    upper = torch.empty_like(lower)

    def collect(rows: slice) -> None:
        for part, low, high in intervals(problem, rows, some, plan):
            chosen = ((position >= part.start) & (position < part.stop)).nonzero()[:, 0]
            at = outer[chosen], position[chosen] - part.start
            lower[chosen, rows], upper[chosen, rows] = low[at], high[at]

    plan.run(len(zero_shot), collect)
    return lower, upper


def _stretches(
    lower: Tensor, upper: Tensor, lines: list[int], values: Sequence[float]
) -> Iterator[Stretch]:
    """The first most-covered stretch of every line, from (lines, N) ends.

    Stretches within rounding of a point are left out: what is right there is not certain.
    """
    first, last = values[0], values[-1]
    # Ends are quotients of sums; this is 54 roundings of float32, and 8192 of float64.
    shortest = torch.finfo(lower.dtype).eps ** 0.75 * (last - first)
    n = lower.shape[1]
    step = max(1, SORT_ELEMENTS // (2 * n + 1))
    changes = lower.new_tensor([0, *n * [1], *n * [-1]], dtype=torch.int32)
    for start in range(0, len(lines), step):
        low, high = lower[start : start + step], upper[start : start + step]
        empty = low >= high
        ends = [low.new_full((len(low), 1), first)]
        ends += [part.clamp(first, last).masked_fill_(empty, last) for part in (low, high)]
        rising, order = torch.cat(ends, dim=1).sort(dim=1)
        covered = changes[order].cumsum(dim=1)
        widths = rising.diff(dim=1, append=rising.new_full((len(low), 1), last))
        covered = covered.masked_fill_(widths <= shortest, -1)
        best = covered.amax(dim=1)
        at = (covered == best[:, None]).int().argmax(dim=1)
        low, wide = (part.gather(1, at[:, None])[:, 0].cpu().double() for part in (rising, widths))
        found = zip(lines[start:], best.tolist(), (low + wide / 2).tolist(), strict=False)
        yield from (Stretch(count, line, value) for line, count, value in found)
