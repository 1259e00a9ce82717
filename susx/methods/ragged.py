"""Lists of unequal length as a few rectangular tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor


def tables(sizes: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Cut lists that lie one after the other into tables of lists of similar length.

    Lengths in one table differ by less than a factor of two, which bounds the padding. Short
    lists are padded with their last entry. Empty lists are in no table.

    Args:
        sizes: (L,) lengths of the lists.

    Yields:
        (l,) numbers of lists, and (l, K) places of their entries in the concatenation.
    """
    starts = sizes.cumsum(0) - sizes
    depths = sizes.clamp(min=1).float().log2().ceil()
    for depth in sorted(set(depths[sizes > 0].tolist())):
        members = ((depths == depth) & (sizes > 0)).nonzero()[:, 0]
        size = sizes[members, None]
        places = torch.arange(int(size.max()), device=sizes.device)
        yield members, starts[members, None] + places.minimum(size - 1)


def index_of(places: Sequence[int]) -> slice | Sequence[int]:
    """Places as an index: a slice, which copies nothing, where they follow one another."""
    consecutive = list(places) == list(range(places[0], places[0] + len(places)))
    return slice(places[0], places[0] + len(places)) if consecutive else places
