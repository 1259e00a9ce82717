"""Work on many items by several threads, in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

BLOCK = 4096
S = TypeVar("S")
T = TypeVar("T")


def in_threads(work: Callable[[S], T], items: Sequence[S], threads: int) -> Iterator[T]:
    """Apply `work` to all items, in order; only a block of them waits in memory at a time."""
    with ThreadPoolExecutor(max(1, threads)) as pool:
        for start in range(0, len(items), BLOCK):
            yield from pool.map(work, items[start : start + BLOCK])
