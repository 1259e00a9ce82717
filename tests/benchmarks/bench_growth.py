"""How time and memory grow with every size, at four values of each.

`python -m tests.benchmarks.bench_growth` prints a table in Markdown: for some methods, for the
search of TIP-X's grid, for the search of a pool and for planning, processor seconds (of plans wall
seconds) and MiB at four sizes, and the exponents of the straight lines through their logarithms.
`--only PART` leaves out what does not have PART in its name. Everything runs in a process of its
own, twice, of which the quicker one counts.

Images, support images, classes and dimensions are varied one at a time, from 8,000, 1,600, 100 and
512. Memory is what is held at the peak beyond features; of a plan, all that its process holds.
"""

import argparse
import math
import multiprocessing
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from susx.methods import METHODS
from susx.search.grid import search
from tests.benchmarks.bench_methods import Cost, Size, cost_of, problem, watched
from tests.benchmarks.bench_plan import plan
from tests.benchmarks.bench_retrieval import search as search_pool
from tests.benchmarks.bench_retrieval import unit_rows, write_rows
from tests.workflow.large_plans import write_paper, write_pool
from tests.workflow.project import Project

BASE = Size(n=8000, classes=100, shots=16, d=512)
METHOD_NAMES = ("tip-adapter", "tip-x", "gda", "proker", "stata", "zlap", "fusion")
BEST = 160
"""Images of a pool that are looked for, for every query."""
RUNS = 2


@dataclass(frozen=True)
class Growth:
    """What was measured at rising values of one size."""

    name: str
    size: str
    values: Sequence[int]
    measure: Callable[[int], Cost]


def of_images(n: int) -> Size:
    return replace(BASE, n=n)


def of_support(m: int) -> Size:
    return replace(BASE, shots=m // BASE.classes)


def of_classes(c: int) -> Size:
    """As many support images in all."""
    return replace(BASE, classes=c, shots=BASE.classes * BASE.shots // c)


def of_dimension(d: int) -> Size:
    return replace(BASE, d=d)


SIZES: dict[str, tuple[tuple[int, ...], Callable[[int], Size]]] = {
    "images": ((4000, 8000, 16_000, 32_000), of_images),
    "support images": ((800, 1600, 3200, 6400), of_support),
    "classes": ((50, 100, 200, 400), of_classes),
    "dimensions": ((128, 256, 512, 1024), of_dimension),
}


def of_method(name: str, sized: Callable[[int], Size], value: int) -> Cost:
    return cost_of(name, sized(value))


def of_grid(sized: Callable[[int], Size], value: int) -> Cost:
    """TIP-X's terms and all 200,000 points of its published grid."""
    tip_x = METHODS["tip-x"]
    context, images = problem(sized(value), patches=False)
    labels = (images.features @ context.text.T).argmax(dim=1)
    grid = {name: axis.values(context.logit_scale) for name, axis in tip_x.grid.items()}
    return watched(len(labels), lambda: search(tip_x.terms(context, images), labels, grid))


def of_pool(rows: int, queries: int) -> Cost:
    """The search of a shard."""
    texts = unit_rows(np.random.default_rng(1), queries, BASE.d)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.npy"
        write_rows(path, rows, BASE.d)
        return watched(rows, lambda: search_pool(path, texts, BEST))


def of_plan(write: Callable[[Path, int], Project], value: int) -> Cost:
    """Planning, by the clock: its work is done in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        seconds, mib, _ = plan(write(Path(folder) / "project", value))
    return Cost(value, seconds, seconds, mib)


def growths() -> Iterator[Growth]:
    """All that is measured."""
    for name in METHOD_NAMES:
        for size, (values, sized) in SIZES.items():
            if METHODS[name].needs_support or size != "support images":
                yield Growth(name, size, values, partial(of_method, name, sized))
    for size, (values, sized) in SIZES.items():
        yield Growth("tip-x, its grid", size, values, partial(of_grid, sized))
    rows = (100_000, 200_000, 400_000, 800_000)
    yield Growth("search of a pool", "rows, 200 queries", rows, partial(of_pool, queries=200))
    queries = (125, 250, 500, 1000)
    yield Growth("search of a pool", "queries, 100,000 rows", queries, partial(of_pool, 100_000))
    shards = (250, 500, 1000, 2000)
    yield Growth("plan", "shards of a pool", shards, partial(of_plan, write_pool))
    yield Growth("plan", "shards, 95 results", (4, 8, 16, 32), partial(of_plan, write_paper))


def measured(growth: Growth) -> list[Cost]:
    """The quicker of two runs of every size."""
    found = []
    for value in growth.values:
        runs = []
        for _ in range(RUNS):
            with multiprocessing.get_context("fork").Pool(1) as pool:
                runs.append(pool.apply(growth.measure, (value,)))
        found.append(min(runs, key=lambda cost: cost.worked))
    return found


def exponent(values: Sequence[int], found: Sequence[float]) -> float:
    """Slope of the line through the logarithms."""
    return float(np.polyfit(np.log(values), np.log(np.maximum(found, math.ulp(1.0))), 1)[0])


def row(growth: Growth, costs: Sequence[Cost]) -> str:
    """A line of a table in Markdown."""
    seconds, mib = [cost.worked for cost in costs], [cost.peak for cost in costs]
    cells = (
        *(growth.name, growth.size, ", ".join(f"{value:,}" for value in growth.values)),
        *(", ".join(f"{s:.2f}" for s in seconds), f"{exponent(growth.values, seconds):.2f}"),
        *(", ".join(f"{m:.0f}" for m in mib), f"{exponent(growth.values, mib):.2f}"),
    )
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", metavar="PART")
    only = parser.parse_args().only
    torch.set_num_threads(1)
    print("| what | size | values | seconds | exponent | MiB | exponent |")
    print("|---|---|---|---|---|---|---|")
    for growth in growths():
        if only in growth.name:
            print(row(growth, measured(growth)), flush=True)


if __name__ == "__main__":
    main()
