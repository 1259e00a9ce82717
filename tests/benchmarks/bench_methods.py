"""What methods cost at a given size: processor time and memory of one, on random features.

`python -m tests.benchmarks.bench_methods tda oga --n 5000 --classes 100` runs each method in a
process of its own, as rows of an evaluation with fixed hyper-parameters. Features are unit rows
near random class centres. `--shots` images per class are the support set, with three texts per
class.
"""

import argparse
import multiprocessing
import resource
import time
from dataclasses import dataclass

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from susx.methods import METHODS, Context, Images
from tests.benchmarks.bench_retrieval import unit_rows

NOISE = 2.0
"""Length of what images differ by from the centre of their class, of which length is 1."""
TEXTS = 3


@dataclass(frozen=True)
class Size:
    """Numbers of images, classes, support images per class, and dimensions."""

    n: int
    classes: int
    shots: int
    d: int


def problem(size: Size) -> tuple[Context, Images]:
    """Random features, the same for all methods."""
    random = np.random.default_rng(0)
    centres = unit_rows(random, size.classes, size.d)

    def near(labels: np.ndarray) -> torch.Tensor:
        rows = centres[labels] + NOISE * unit_rows(random, len(labels), size.d)
        return torch.from_numpy(rows / np.linalg.norm(rows, axis=1, keepdims=True)).float()

    classes = np.arange(size.classes)
    owners, labels = np.repeat(classes, TEXTS), np.repeat(classes, size.shots)
    context = Context(
        near(classes),
        100.0,
        near(labels),
        torch.from_numpy(labels),
        texts=near(owners),
        text_labels=torch.from_numpy(owners),
    )
    return context, Images(near(random.integers(0, size.classes, size.n)))


def costs_of(name: str, size: Size) -> tuple[float, float, float]:
    """Processor seconds, seconds, and MiB at the peak beyond what the problem takes."""
    context, images = problem(size)
    method = METHODS[name]
    values = method.scaled(method.fixed, context.logit_scale)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started, worked = time.perf_counter(), time.process_time()
    method.fit(context, values).logits(images)
    seconds, worked = time.perf_counter() - started, time.process_time() - worked
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return worked, seconds, (peak - before) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("methods", nargs="*", default=list(METHODS))
    for name, default in (("n", 5000), ("classes", 100), ("shots", 16), ("d", 512)):
        parser.add_argument(f"--{name}", type=int, default=default)
    given = vars(parser.parse_args())
    names = given.pop("methods")
    size = Size(**given)
    table = Table(title=f"{size}, {torch.get_num_threads()} threads")
    for column in ("method", "processor s", "s", "MiB"):
        table.add_column(column, justify="right" if table.columns else "left")
    for name in names:
        if {"patches", "norms"} & set(METHODS[name].needs) or METHODS[name].reads == "text_means":
            continue  # random features have neither
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            worked, seconds, peak = pool.apply(costs_of, (name, size))
        table.add_row(name, f"{worked:.1f}", f"{seconds:.1f}", f"{peak:.0f}")
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
