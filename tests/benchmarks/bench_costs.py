"""What ImageNet and a pool of two billion embeddings cost, by rates measured in small runs.

`python -m tests.benchmarks.bench_costs` times reading images (500 x 375 JPEGs) and searching
embeddings, and weighs the files that they end in, each at two sizes: if the cost per image is the
same at both, it may be multiplied. Processor time, one thread. What a GPU does in a second is not
measured but given: `--embeds` images per second of an encoder, `--draws` of a text-to-image model.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from susx.cache import Embeddings, write_cache
from susx.images import image_manifest
from susx.manifests import ImageRecord, class_manifest, write_table
from susx.support.exact import nearest_rows
from tests.benchmarks.bench_retrieval import unit_rows
from tests.helpers import image_bytes

CLASSES, TEST, TRAIN = 1000, 50_000, 1_281_167
POOL, SHARD = 2_000_000_000, 1_000_000
VIEWS, CHUNK = 10, 25
GIB = 2**30


@dataclass(frozen=True)
class Rate:
    """Processor seconds and bytes per image."""

    seconds: float
    size: float


def read_images(root: Path, n: int) -> Rate:
    """List, decode and hash images, as rule image_manifest does."""
    folder = root / f"images-{n}"
    (folder / "cat").mkdir(parents=True)
    for seed in range(n):
        image = image_bytes((90, 120, 60), size=(500, 375), format="JPEG", seed=seed)
        (folder / f"cat/{seed:05d}.jpg").write_bytes(image)
    started = time.process_time()
    table = image_manifest(folder, class_manifest(["cat"]), "test")
    seconds = time.process_time() - started
    write_table(root / f"{n}.parquet", table, ImageRecord)
    return Rate(seconds / n, (root / f"{n}.parquet").stat().st_size / n)


def cache_embeddings(root: Path, n: int, d: int) -> Rate:
    """Write a cache of float16 embeddings, as rules embed_... do."""
    rows = unit_rows(np.random.default_rng(0), n, d).astype(np.float16)
    keys = [f"n01440764/ILSVRC2012_val_{i:08d}.JPEG" for i in range(n)]
    started = time.process_time()
    write_cache(root / f"{n}.h5", Embeddings(rows, np.zeros(n, np.int32), keys, {}))
    return Rate((time.process_time() - started) / n, (root / f"{n}.h5").stat().st_size / n)


def search_rows(n: int, d: int) -> Rate:
    """Search float16 rows with one query per class for its best 160."""
    random = np.random.default_rng(0)
    rows, queries = unit_rows(random, n, d).astype(np.float16), unit_rows(random, CLASSES, d)
    started = time.process_time()
    nearest_rows(queries, (rows[i : i + 8192] for i in range(0, n, 8192)), 160)
    return Rate((time.process_time() - started) / n, rows.nbytes / n)


def twice(name: str, measure: Callable[[int], Rate], n: int, table: Table) -> Rate:
    """Measure at n and 4 n images; return the latter."""
    for images in (n, 4 * n):
        rate = measure(images)
        row = (f"{images:,}", f"{1e3 * rate.seconds:.3f}", f"{rate.size:,.0f}")
        table.add_row(name, *row)
    return rate


def new_table(title: str, *columns: str) -> Table:
    """A table whose numbers are aligned."""
    table = Table(title=title)
    for i, name in enumerate(columns):
        table.add_column(name, justify="right" if i else "left", no_wrap=True)
    return table


def costs(
    listing: Rate, cache: Rate, search: Rate, size: int, encoders: int, embeds: float, draws: float
) -> Table:
    """Jobs, bytes, core hours and GPU hours of every step."""
    table = new_table(
        f"ImageNet, {encoders} encoders, supports of {size} per class; a pool of {POOL:,}",
        *("step", "jobs", "images", "GiB written", "core hours", "GPU hours"),
    )
    support, shards = CLASSES * size, POOL // SHARD

    def add(step: str, jobs: int, images: int, rate: Rate, gpu: float = 0.0) -> None:
        hours = (f"{images * rate.seconds / 3600:.1f}", f"{gpu / 3600:.1f}" if gpu else "")
        table.add_row(step, f"{jobs:,}", f"{images:,}", f"{images * rate.size / GIB:.2f}", *hours)

    add("image_manifest test", 1, TEST, listing)
    add("image_manifest train, for few-shot", 1, TRAIN, listing)
    for name, images, views in (
        ("embed_images test", TEST, 1),
        ("embed_support, one set", support, 1),
        ("embed_support, one few-shot set", support, VIEWS),
    ):
        passes = encoders * images * views
        add(name, encoders, encoders * images, cache, passes / embeds)
    drawn = Rate(0, 1e6)  # a PNG of 512 x 512 pixels, in its chunk and in the joined tar
    add("synthesise, one set", ceil(CLASSES / CHUNK), support, drawn, support / draws)
    add("embed_shard, if not published", shards, POOL, cache, POOL / embeds)
    add("search, one set", shards, POOL, Rate(search.seconds, CLASSES * 160 * 20 / SHARD))
    return table


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    numbers = {"size": 16, "encoders": 1, "d": 512, "images": 100, "rows": 20_000}
    for name, value in numbers.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    for name, speed in {"embeds": 1000.0, "draws": 1.0}.items():
        parser.add_argument(f"--{name}", type=float, default=speed)
    a = parser.parse_args()
    torch.set_num_threads(1)
    measured = new_table("Measured", "step", "images", "ms per image", "bytes per image")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        listing = twice("image_manifest", lambda n: read_images(root, n), a.images, measured)
        cache = twice("cache", lambda n: cache_embeddings(root, n, a.d), a.rows, measured)
    search = twice("search", lambda n: search_rows(n, a.d), a.rows, measured)
    console = Console()
    console.print(measured)
    console.print(costs(listing, cache, search, a.size, a.encoders, a.embeds, a.draws))


if __name__ == "__main__":
    main()
