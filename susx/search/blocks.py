"""How a search is cut into blocks that fit a given memory, and run in threads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import torch

from susx.core.errors import InputError
from susx.methods import Terms

MIB = 2**20  # bytes
MEMORY_MIB = {"cpu": 512, "cuda": 4096, "mps": 2048}
"""Default working memory of a search, by kind of device; on a CPU per thread.

On a CPU an eighth of it, or eight times, is no faster in `tests.benchmarks.bench_search`; so it is
with the sizes below. Those of GPUs were not measured; this is what small ones have to spare.
"""
BLOCK_ROWS = {"cpu": 128, "cuda": 1024, "mps": 512}
"""Images handled at once, by kind of device, if memory allows."""
SLICE_ELEMENTS = {"cpu": 2**22, "cuda": 2**26, "mps": 2**24}
"""Votes handled at once, by kind of device, if memory allows."""


@dataclass(frozen=True)
class BlockPlan:
    """Sizes of blocks.

    Attributes:
        rows: images per block.
        points: points for whose votes a method is asked at once.
        step: points handled at once.
        lines: lists of both ends of all images' intervals kept at once.
        workers: blocks handled at the same time.
    """

    rows: int
    points: int
    step: int
    lines: int
    workers: int

    @classmethod
    def of(
        cls,
        terms: Terms,
        points: Sequence[tuple[float, ...]],
        n_outer: int,
        n_values: int,
        memory_mib: int | None,
    ) -> BlockPlan:
        """Divide the memory: a third for votes, the rest for what is derived from them.

        Args:
            terms: a method's terms on N images.
            points: values of the nonlinear hyper-parameters.
            n_outer: number of intervals per point and image.
            n_values: number of values that intervals are counted at.
            memory_mib: working memory; by default `MEMORY_MIB`.

        Raises:
            InputError: if there is no memory.
        """
        zero_shot = terms.zero_shot
        n, n_classes = zero_shot.shape
        kind = zero_shot.device.type
        workers = torch.get_num_threads() if kind == "cpu" else 1
        memory = MEMORY_MIB[kind] * workers if memory_mib is None else memory_mib
        if memory < 1:
            raise InputError("memory_mib of a search must be at least 1")
        available = memory * MIB // zero_shot.element_size()
        share = available // workers
        # Votes at all points at once are cheapest, unless for very few images: a quarter block.
        fitting = max(share // (3 * n_classes * len(points)), BLOCK_ROWS[kind] // 4)
        # At its peak a block has some 18 matrices (C, n): 18 / 32 of the memory.
        most = min(BLOCK_ROWS[kind], -(-n // workers), share // (32 * n_classes))
        rows = max(1, min(fitting, most))
        limit = min(len(points), share // (3 * rows * n_classes))
        # Whole periods of the last hyper-parameter, or parts of one, are cheapest to compute.
        period = len({point[-1] for point in points}) if points[0] else 1
        sizes = (s for s in range(limit, 0, -1) if s % period == 0 or period % s == 0)
        # Rises, ends with their int64 places (8 values) and int64 counts (2) have a 24th each.
        width = max(rows * max(n_classes, 8 * n_outer), 2 * n_outer * n_values)
        step = max(1, min(SLICE_ELEMENTS[kind], share // 24) // width)
        # Both ends of a line are 2 of 6 values per image: a third of the memory.
        return cls(rows, next(sizes, 1), step, max(1, available // (6 * n)), workers)

    def run(self, n: int, work: Callable[[slice], None]) -> None:
        """Call `work` on blocks of n rows, in threads of which each computes on its own."""

        def call(rows: slice) -> None:
            with torch.inference_mode():
                work(rows)

        blocks = [slice(start, min(start + self.rows, n)) for start in range(0, n, self.rows)]
        threads = torch.get_num_threads()
        try:
            with ThreadPoolExecutor(self.workers, "search", torch.set_num_threads, (1,)) as pool:
                for _ in pool.map(call, blocks):
                    pass
        finally:
            torch.set_num_threads(threads)
