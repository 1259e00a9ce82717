"""Pairs of images or texts: a seeded sample, and the products of their rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

BLOCK_ELEMENTS = 2**22
"""Entries of the rows that are multiplied at once."""

Labels = NDArray[np.integer[Any]]
Places = NDArray[np.int64]


def sampled_pairs(
    left: Labels,
    right: Labels | None,
    same_class: bool | None,
    limit: int,
    random: np.random.Generator,
) -> tuple[Places, Places]:
    """Draw pairs uniformly among all that fit; all of them, if they are at most `limit`.

    Pairs are counted, not listed: those of a left row are one stretch of the right rows sorted by
    class, or two around its own class, and a number tells which left row and which place in them.

    Args:
        left: (N,) classes.
        right: (M,) classes; None for the pairs within `left`, each counted once.
        same_class: whether both are of one class (True), of two (False), or any (None).
        limit: how many, at most; drawn with replacement.
        random: source of the sample.

    Returns:
        (P,) rows of the left, in rising order but for pairs within `left`, and (P,) rows of the
        right.
    """
    other = left if right is None else right
    order = other.argsort(kind="stable")
    if right is None:
        left = left[order]
    total = len(other)
    first = np.searchsorted(other[order], left, side="left")
    stop = np.searchsorted(other[order], left, side="right")
    gap = np.zeros_like(first)  # length of what is left out at `first`
    if right is None:
        after = np.arange(1, total + 1)
        start = stop if same_class is False else after
        end = stop if same_class else np.full_like(stop, total)
    elif same_class is False:
        start, end, gap = np.zeros_like(first), np.full_like(stop, total), stop - first
    else:
        start = first if same_class else np.zeros_like(first)
        end = stop if same_class else np.full_like(stop, total)
    counts = end - start - gap
    ends = counts.cumsum()
    n = int(ends[-1]) if len(ends) else 0
    numbers = np.arange(n) if n <= limit else np.sort(random.integers(0, n, limit))
    i = np.searchsorted(ends, numbers, side="right")
    place = start[i] + numbers - (ends[i] - counts[i])
    place += np.where(place >= first[i], gap[i], 0)
    return (order[i] if right is None else i), order[place]


def products(
    left: NDArray[Any], right: NDArray[Any], pairs: tuple[Places, Places]
) -> NDArray[np.float32]:
    """(P,) inner products of pairs of (N, d) and (M, d) rows, block by block."""
    i, j = pairs
    found = np.empty(len(i), np.float32)
    size = max(1, BLOCK_ELEMENTS // left.shape[1])
    for start in range(0, len(i), size):
        block = slice(start, start + size)
        chosen = left[i[block]], right[j[block]]
        rows = (part.astype(np.float32, copy=False) for part in chosen)
        np.einsum("nd,nd->n", *rows, out=found[block])
    return found
