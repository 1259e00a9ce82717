"""Nearest rows by cosine, a block of the matrix of cosines at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from susx.methods.base import row_blocks

if TYPE_CHECKING:
    from torch import Tensor


def neighbours_of(
    rows: Tensor, others: Tensor, k: int, but_itself: bool = False
) -> tuple[Tensor, Tensor]:
    """Cosines and indices, (N, k), of the nearest others of every row; fewer if there are.

    Args:
        rows: (N, d) unit rows.
        others: (M, d) unit rows.
        k: how many.
        but_itself: whether both are the same images, none of which is its own neighbour.
    """
    k = min(k, len(others) - but_itself)
    cosines = rows.new_empty(len(rows), k)
    indices = cosines.long()
    for part in row_blocks(len(rows), len(others)):
        block = rows[part] @ others.T
        if but_itself:
            block[range(len(block)), range(part.start, part.stop)] = -2
        cosines[part], indices[part] = block.topk(k, dim=1)
    return cosines, indices
