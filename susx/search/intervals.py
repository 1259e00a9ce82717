"""Where images are classified correctly along the last linear hyper-parameter.

Class c beats the true class where `lead_c + alpha rise_c > gamma fall_c`, all relative to the true
class. For given alpha and votes an image is therefore right on an interval of gamma; without a
penalty, or for a single gamma, and given votes, on an interval of alpha. Few classes have a say:
one that loses at all corners of the grid loses everywhere in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce

import torch
from torch import Tensor

from susx.methods import Terms
from susx.methods.ragged import tables
from susx.search.blocks import BlockPlan

TILE_ELEMENTS = {"cpu": 2**16, "cuda": 2**24, "mps": 2**22}
"""Values (classes x points x images) worked on at once, by kind of device.

On a CPU 256 KiB in float32, for the cache of a core; eight times as many take longer
(`tests.benchmarks.bench_search`). Those of GPUs were not measured.
"""

GridPoints = Sequence[tuple[float, ...]]


@dataclass(frozen=True)
class Problem:
    """What to search: a method's terms on (N, d) images, (N,) true classes, rising values."""

    terms: Terms
    labels: Tensor
    alphas: Sequence[float]
    gammas: Sequence[float]

    @property
    def along_alpha(self) -> bool:
        """Whether intervals are of alpha rather than gamma."""
        if self.terms.votes is None:
            return False
        return self.terms.penalty is None or len(self.gammas) == 1 < len(self.alphas)

    @property
    def outer(self) -> Sequence[float]:
        """Values of alpha that have intervals of their own."""
        return [0.0] if self.along_alpha else self.alphas

    @property
    def inner(self) -> Sequence[float]:
        """Grid values along the intervals."""
        return self.alphas if self.along_alpha else self.gammas


def intervals(
    problem: Problem, rows: slice, points: GridPoints, plan: BlockPlan
) -> Iterator[tuple[slice, Tensor, Tensor]]:
    """Find the interval on which each image is right.

    Args:
        problem: what to search.
        rows: n images.
        points: P values of the nonlinear hyper-parameters.
        plan: at how many points to ask for votes at once, and to handle them.

    Yields:
        A slice of the points, and (outer, points, n) lower and upper ends. An image is right
        strictly between them; an end where it wins a tie lies a few roundings further out. If
        lower is not below upper it is right nowhere on the grid.
    """
    terms, truth = problem.terms, problem.labels[rows]
    base, fall = terms.zero_shot[rows], None
    if terms.penalty is not None and problem.along_alpha:
        base = base - problem.gammas[0] * terms.penalty[rows]
    elif terms.penalty is not None:
        fall = _relative(terms.penalty[rows].T, truth)
    lead = _relative(base.T, truth)
    block = _Block(problem, truth, lead, fall)
    if terms.votes is None:
        yield slice(0, 1), *block.ends(torch.zeros_like(lead)[None])
        return
    for start in range(0, len(points), plan.points):
        votes = terms.votes(rows, points[start : start + plan.points]).transpose(1, 2)
        for first in range(0, len(votes), plan.step):
            part = votes[first : first + plan.step]
            places = slice(start + first, start + first + len(part))
            yield places, *block.ends(_relative(part, truth))


def _relative(values: Tensor, truth: Tensor) -> Tensor:
    """Subtract the true class's value from (..., C, n) values."""
    index = truth.expand(*values.shape[:-2], 1, len(truth))
    return (values - values.gather(-2, index)).contiguous()


def _span(values: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    return reduce(torch.minimum, values), reduce(torch.maximum, values)


class _Block:
    """(C, n) leads and falls of some rows."""

    def __init__(self, problem: Problem, truth: Tensor, lead: Tensor, fall: Tensor | None) -> None:
        self.problem, self.lead = problem, lead
        self.fall = torch.zeros_like(lead) if fall is None else fall
        classes = torch.arange(len(lead), device=lead.device)[:, None]
        self.wrong = classes != truth
        # A class of higher index loses ties: put it behind, others ahead, by the roundings of an
        # end: of its sum and of its quotient.
        rounding = torch.finfo(lead.dtype)
        self.nudge = torch.where(classes > truth, -2 * rounding.eps, 2 * rounding.eps).to(lead)
        self.tiny, self.eps = rounding.tiny, rounding.eps
        gammas = problem.gammas
        self.drop = _span([-gammas[0] * self.fall, -gammas[-1] * self.fall])

    def ends(self, rise: Tensor) -> tuple[Tensor, Tensor]:
        """Lower and upper (outer, S, n) ends of the intervals for (S, C, n) rises."""
        relevant, never, lead = self._relevant(rise)
        shape = len(self.problem.outer), len(rise), rise.shape[2]
        lower = rise.new_full(shape, -torch.inf)
        upper = rise.new_full(shape, torch.inf)
        lower[:, :, never] = torch.inf
        for ends, below in ((lower, True), (upper, False)):
            chosen = relevant
            if not self.problem.along_alpha:
                chosen = relevant & ((self.fall > 0) == below)
            for rows, cells in _cells(chosen):
                width = TILE_ELEMENTS[rise.device.type] // (len(rise) * len(cells))
                for part in range(0, len(rows), max(1, width)):
                    some = slice(part, part + max(1, width))
                    ends[:, :, rows[some]] = self._extremes(lead, rise, cells[:, some], below)
        return lower, upper

    def _relevant(self, rise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Which (C, n) classes can win but not always, which rows never do; the nudged lead."""
        low, high = rise.amin(dim=0), rise.amax(dim=0)
        first, last = self.problem.alphas[0], self.problem.alphas[-1]
        gain = _span([alpha * end for alpha in (first, last) for end in (low, high)])
        size = [_span([-part[0], part[1]])[1] for part in (gain, self.drop)]
        # Differences, products and sums are off by 2 eps at most, nudges move by 4.
        slack = (self.lead.abs() + size[0] + size[1]).mul_(8 * self.eps)
        relevant = self.lead + gain[1] + self.drop[1] >= -slack
        never = (self.lead + gain[0] + self.drop[0] > slack).any(dim=0)
        relevant &= self.wrong & ~never
        reach = self.lead.abs()
        if first < 0:  # Nudges of lead + alpha * rise must not cancel.
            reach -= 2 * first * _span([-low, high])[1]
        # Over a fall of `tiny`, which stands for none, the least nudge is beyond any grid.
        tie = self.nudge * reach + self.nudge.sign() * (self.tiny * 2**40)
        return relevant, never, self.lead + tie

    def _extremes(self, lead: Tensor, rise: Tensor, cells: Tensor, below: bool) -> Tensor:
        """(outer, S, R) last lower or first upper end over (K, R) cells of the (C, n) matrices."""
        made = rise.flatten(1)[:, cells].movedim(0, 1).contiguous()
        lead = lead.take(cells)[:, None].expand_as(made)
        if self.problem.along_alpha:
            fall = made.neg_().masked_fill_(made == 0, -self.tiny)
            side = (fall > 0) == below
            lead = lead.where(side, -torch.inf)
            fall = fall.where(side, 1.0 if below else -1.0)
        else:
            made.addcmul_(made.abs(), self.nudge.take(cells)[:, None])
            fall = self.fall.take(cells)[:, None]
            fall = fall.masked_fill(fall == 0, -self.tiny).expand_as(made).contiguous()
            lead = lead.contiguous()
        ends = made.new_empty(len(self.problem.outer), *made.shape[1:])
        buffer = torch.empty_like(made)
        for alpha, end in zip(self.problem.outer, ends, strict=True):
            torch.add(lead, made, alpha=alpha, out=buffer).div_(fall)
            torch.amax(buffer, dim=0, out=end) if below else torch.amin(buffer, dim=0, out=end)
        return ends


def _cells(chosen: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Rows of similar numbers of chosen classes, and (K, R) places of these in (C, n)."""
    pairs = chosen.T.nonzero()
    n = chosen.shape[1]
    for rows, places in tables(chosen.sum(dim=0)):
        yield rows, (pairs[places, 1] * n + rows[:, None]).T.contiguous()
