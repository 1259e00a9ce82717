"""The range of a large matrix, most of whose rows are worked out in bfloat16 only.

A processor with units for bfloat16 multiplies matrices of it several times as fast as those of
float32. What they give is known but for a bound of its error. So a range that is widened block by
block needs in full only the few rows that may lie outside of what it holds already.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from susx.core.processor import has_bfloat16_units
from susx.methods.base import row_blocks

if TYPE_CHECKING:
    from torch import Tensor

ROUNDING = 2.0**-8
"""Of a number to bfloat16, relative to it."""
SUMMATION = 2.0**-23
"""Of a sum of products in float32, per term and relative to the sum of their sizes: two roundings,
as units for bfloat16 may cut digits off instead."""


def rough_pays(values: Tensor) -> bool:
    """Whether this machine has units for bfloat16 where the values are kept.

    Those of GPUs were not measured.
    """
    return values.device.type == "cpu" and has_bfloat16_units()


@dataclass(frozen=True)
class Rough:
    """One side of sums `a_i + b_j + x_i y_j` in bfloat16.

    Attributes:
        values: (N, d + 4) x or y, and what adds a and b, each in two parts.
        lengths: (N,) of x or y.
        sizes: (N,) absolute values of a or b.
    """

    values: Tensor
    lengths: Tensor
    sizes: Tensor

    @classmethod
    def of(cls, rows: Tensor, centres: Tensor, offsets: Tensor, *, left: bool) -> Rough:
        """Round (N, d) rows less centres, which are x or y, and (N, 1) offsets a or b.

        Centres are (N, 1), one per row, or (1, d), one for all.
        """
        import torch

        n, d = rows.shape
        values = torch.ones(n, d + 4, dtype=torch.bfloat16, device=rows.device)
        # In two parts an offset keeps twice as many digits.
        parts = values[:, d : d + 2] if left else values[:, d + 2 :]
        parts[:, :1] = offsets
        parts[:, 1:] = offsets - parts[:, :1]
        lengths, centres = offsets.new_empty(n), centres.expand(n, d)
        for some in row_blocks(n, d):
            centred = rows[some] - centres[some]
            values[some, :d] = centred
            lengths[some] = torch.linalg.vector_norm(centred, dim=1)
        return cls(values, lengths, offsets[:, 0].abs())

    def bounds(self, rows: slice, right: Rough, buffer: Tensor) -> tuple[Tensor, Tensor]:
        """Below and above all sums of n left rows with all right ones: (n,) each.

        The buffer, of bfloat16 too, holds the sums and is made as large as they need.
        """
        import torch

        left = self.values[rows]
        sums = buffer.resize_(len(left), len(right.values))
        torch.mm(left, right.values.T, out=sums)
        lowest, highest = sums.amin(dim=1).to(self.sizes), sums.amax(dim=1).to(self.sizes)
        products = self.lengths[rows] * right.lengths.max()
        sizes = products + self.sizes[rows] + right.sizes.max()
        # Both factors of a product are rounded, and each offset twice; the tenth is for squares of
        # roundings, and for the lengths' own.
        error = 2.1 * ROUNDING * products
        error += (1.1 * ROUNDING**2 + SUMMATION * self.values.shape[1]) * sizes
        # In the end a sum is rounded itself, to what is seen here.
        below = lowest - error - 1.1 * ROUNDING * lowest.abs()
        return below, highest + error + 1.1 * ROUNDING * highest.abs()


class SumRange:
    """The range of an (N, M) matrix of sums `a_i + b_j + x_i y_j`, whose columns come in parts.

    Attributes:
        range: (2,) least and greatest of what was added.
    """

    def __init__(self, rows: Tensor, centres: Tensor, offsets: Tensor) -> None:
        """The left side, as `Rough.of` takes it: x is (N, d) rows less centres."""
        self.range = no_range(rows)
        self._n = len(rows)
        self._left = Rough.of(rows, centres, offsets, left=True) if rough_pays(rows) else None
        self._sums = rows.new_empty(0).bfloat16()

    def add(
        self,
        rows: Tensor,
        centres: Tensor,
        offsets: Tensor,
        exact: Callable[[slice | Tensor], Tensor],
    ) -> None:
        """Add columns.

        Args:
            rows: (M, d), of which centres and offsets are as those of the left side.
            centres: see there.
            offsets: see there.
            exact: function of n places of the left side, giving their (n, M) sums in full.
        """
        import torch

        right = None if self._left is None else Rough.of(rows, centres, offsets, left=False)
        for some in row_blocks(self._n, len(rows)):
            if self._left is None or right is None:
                widen(self.range, exact(some))
                continue
            below, above = self._left.bounds(some, right, self._sums)
            likeliest = torch.stack((below.argmin(), above.argmax()))
            every = torch.arange(len(below), device=below.device)
            for places in (likeliest, every):  # the first leave few of the others
                held = (self.range[0] <= below[places]) & (above[places] <= self.range[1])
                if not held.all():
                    widen(self.range, exact(some.start + places[~held]))


def no_range(like: Tensor) -> Tensor:
    """(2,) least and greatest of no values."""
    return like.new_tensor([math.inf, -math.inf])


def widen(extent: Tensor, values: Tensor) -> None:
    """Widen (least, greatest) to hold all values, in place."""
    import torch

    least, greatest = values.aminmax()
    torch.minimum(extent[0], least, out=extent[0])
    torch.maximum(extent[1], greatest, out=extent[1])
