"""What methods cost at a given size: processor time and memory of one, on random features.

`python -m tests.benchmarks.bench_methods tda oga --n 5000 --classes 100` runs each method in a
process of its own, as rows of an evaluation with fixed hyper-parameters. Features are unit rows
near random class centres. `--shots` images per class are the support set, with three texts per
class.

With `--limit 60` a method that may need longer gets fewer images: it starts at a 128th of them
and takes four times as many as long as its own growth lets it end in that many seconds. The growth
is the exponent between its last two sizes; the first of them is taken to grow in proportion.
"""

import argparse
import math
import multiprocessing
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from susx.core.compute import flush_subnormals
from susx.methods import METHODS, Context, Images
from tests.benchmarks.bench_retrieval import unit_rows

NOISE = 2.0
"""Length of what images differ by from the centre of their class, of which length is 1."""
TEXTS = 3
PATCHES = 49
"""Of a ViT-B/32."""
FIRST, STEP = 128, 4
"""Part of the images that a method with a limit starts with, and how many times more come next."""


@dataclass(frozen=True)
class Size:
    """Numbers of images, classes, support images per class, and dimensions."""

    n: int
    classes: int
    shots: int
    d: int


@dataclass(frozen=True)
class Cost:
    """Images, processor seconds, seconds, and MiB at the peak beyond what the problem takes."""

    n: int
    worked: float
    seconds: float
    peak: float


def problem(size: Size, patches: bool) -> tuple[Context, Images]:
    """Random features, the same for all methods."""
    random = np.random.default_rng(0)
    centres = unit_rows(random, size.classes, size.d)

    def near(labels: np.ndarray) -> torch.Tensor:
        rows = centres[labels] + np.float32(NOISE) * unit_rows(random, len(labels), size.d)
        return torch.from_numpy(rows / np.linalg.norm(rows, axis=1, keepdims=True)).float()

    classes = np.arange(size.classes)
    owners, labels = np.repeat(classes, TEXTS), np.repeat(classes, size.shots)
    texts = near(owners)
    means = texts.view(size.classes, TEXTS, -1).mean(dim=1)
    context = Context(
        near(classes),
        100.0,
        near(labels),
        torch.from_numpy(labels),
        *(means, 10 * means),
        texts=texts,
        text_labels=torch.from_numpy(owners),
    )
    features = near(random.integers(0, size.classes, size.n))
    norms = torch.full((size.n,), 10.0)
    return context, Images(features, norms, patches_of(features) if patches else None)


def patches_of(features: torch.Tensor) -> torch.Tensor:
    """(N, 49, d) rows in halves, of about unit length, each image's features with noise."""
    n, d = features.shape
    made = torch.empty(n, PATCHES, d, dtype=torch.half).normal_(std=(2 * d) ** -0.5)
    return made.add_((features / math.sqrt(2)).half()[:, None])


def held(of: str) -> float:
    """MiB of this process: `VmRSS` now, `VmHWM` at the peak."""
    status = Path("/proc/self/status").read_text()
    return int(status.split(f"{of}:")[1].split()[0]) / 1024


def watched(n: int, work: Callable[[], object]) -> Cost:
    """What a piece of work on n images needs beyond what is held before."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak is from here on
    before = held("VmRSS")
    started, worked = time.perf_counter(), time.process_time()
    work()
    seconds, worked = time.perf_counter() - started, time.process_time() - worked
    return Cost(n, worked, seconds, held("VmHWM") - before)


def cost_of(name: str, size: Size) -> Cost:
    """What one method needs for all images at once."""
    flush_subnormals()  # as jobs do
    method = METHODS[name]
    context, images = problem(size, "patches" in method.needs)
    values = method.scaled(method.fixed, context.logit_scale)
    return watched(size.n, lambda: method.fit(context, values).logits(images))


def in_a_process(name: str, size: Size) -> Cost:
    """The same in a process of its own, which has imported all already."""
    with multiprocessing.get_context("fork").Pool(1) as pool:
        return pool.apply(cost_of, (name, size))


def growing(name: str, size: Size, limit: float) -> Iterator[Cost]:
    """Costs of more and more images, until the next would take longer than a limit."""
    n, last, exponent = -(-size.n // FIRST), None, 1.0
    while True:
        cost = in_a_process(name, replace(size, n=n))
        yield cost
        if last:
            exponent = max(exponent, growth(last, cost))
        more = min(size.n, STEP * n)
        if n == size.n or cost.worked * (more / n) ** exponent > limit:
            return
        n, last = more, cost


def growth(one: Cost, other: Cost) -> float:
    """Exponent of time in the number of images."""
    return math.log(other.worked / one.worked) / math.log(other.n / one.n)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("methods", nargs="*", default=list(METHODS))
    for name, default in (("n", 5000), ("classes", 100), ("shots", 16), ("d", 512)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--limit", type=float)
    given = vars(parser.parse_args())
    names, limit = given.pop("methods"), given.pop("limit")
    size = Size(**given)
    table = Table(title=f"{size}, {torch.get_num_threads()} threads")
    for column in ("method", "images", "processor s", "s", "MiB", "exponent"):
        table.add_column(column, justify="right" if table.columns else "left")
    for name in names:
        costs = list(growing(name, size, limit)) if limit else [in_a_process(name, size)]
        last = costs[-1]
        row = [f"{last.n:,}", f"{last.worked:.1f}", f"{last.seconds:.1f}", f"{last.peak:.0f}"]
        table.add_row(name, *row, f"{growth(*costs[-2:]):.2f}" if costs[1:] else "–")
        print(name, *costs, flush=True)
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
