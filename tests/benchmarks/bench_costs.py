"""What ImageNet and a pool of two billion embeddings cost, by rates measured in small runs.

`python -m tests.benchmarks.bench_costs` times reading images (500 x 375 JPEGs) and searching
embeddings, and weighs the files that they end in, each at two sizes, which gives the cost of a job
and of every image more. Processor time, one thread, without starting programs. What a GPU does in a
second is not measured but given: `--embeds` images per second of an encoder, `--draws` of a
text-to-image model.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from susx.datasets.manifest import image_manifest
from susx.embeddings.cache import Embeddings, write_cache
from susx.manifests.classes import class_manifest
from susx.manifests.tables import ImageRecord, write_table
from susx.support.retrieval import Candidate
from tests.benchmarks.bench_retrieval import unit_rows
from tests.helpers import image_bytes
from tests.searches import search_shard

CLASSES, TEST, TRAIN = 1000, 50_000, 1_281_167
POOL, SHARD = 2_000_000_000, 1_000_000
VIEWS, CHUNK, HITS = 10, 25, 160
PNG = 1e6  # of 512 x 512 pixels, in its chunk and in the joined tar; not measured here
GIB = 2**30


@dataclass(frozen=True)
class Rate:
    """Processor seconds and bytes per image, and seconds per job besides."""

    seconds: float
    size: float
    fixed: float = 0.0


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


def search_rows(root: Path, n: int, d: int) -> Rate:
    """Search a shard with one query per class for its best hits; the size is that of a hit."""
    random = np.random.default_rng(0)
    encoder = {"weights_sha256": "", "precision": "float16"}
    meta = {"encoder": encoder, "classes_sha256": "", "input_sha256": ""}
    keys = [f"{i:09d}" for i in range(n)]
    pool = Embeddings(unit_rows(random, n, d).astype(np.float16), np.full(n, -1), keys, meta)
    labels = np.arange(CLASSES)
    queries = Embeddings(unit_rows(random, CLASSES, d), labels, keys[:CLASSES], meta)
    started = time.process_time()
    table = search_shard(queries, pool, "00000", HITS)
    seconds = time.process_time() - started
    write_table(root / f"hits-{n}.parquet", table, Candidate)
    return Rate(seconds / n, (root / f"hits-{n}.parquet").stat().st_size / len(table.records))


def twice(name: str, measure: Callable[[int], Rate], n: int, table: Table) -> Rate:
    """Measure at n and 4 n images; return what a job and what an image more costs."""
    small, large = rates = measure(n), measure(4 * n)
    for images, rate in zip((n, 4 * n), rates, strict=True):
        table.add_row(name, f"{images:,}", f"{1e3 * rate.seconds:.3f}", f"{rate.size:,.0f}")
    slope = max(0.0, (4 * large.seconds - small.seconds) / 3)
    return Rate(slope, large.size, max(0.0, n * (small.seconds - slope)))


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
        *("step", "jobs", "images", "GiB", "core hours", "GPU hours"),
    )
    support, shards = CLASSES * size, POOL // SHARD

    def add(step: str, jobs: int, images: int, rate: Rate, gpu: float = 0.0) -> None:
        hours = (jobs * rate.fixed + images * rate.seconds) / 3600
        numbers = (f"{images * rate.size / GIB:.2f}", f"{hours:.2f}", f"{gpu / 3600:.2f}")
        table.add_row(step, f"{jobs:,}", f"{images:,}", *numbers)

    add("image_manifest test", 1, TEST, listing)
    add("image_manifest train, for few-shot", 1, TRAIN, listing)
    for name, images, views in (
        ("embed_images test", TEST, 1),
        ("embed_support, one set", support, 1),
        ("embed_support, one few-shot set", support, VIEWS),
    ):
        passes = encoders * images * views
        add(name, encoders, encoders * images, cache, passes / embeds)
    add("synthesise, one set", ceil(CLASSES / CHUNK), support, Rate(0, PNG), support / draws)
    add("embed_shard, if not published", shards, POOL, cache, POOL / embeds)
    hits = search.size * CLASSES * HITS / SHARD
    add("search, one set", shards, POOL, replace(search, size=hits))
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
    measured = new_table("Measured", "step", "images", "ms per image", "bytes per image or hit")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        listing = twice("image_manifest", lambda n: read_images(root, n), a.images, measured)
        cache = twice("cache", lambda n: cache_embeddings(root, n, a.d), a.rows, measured)
        search = twice("search", lambda n: search_rows(root, n, a.d), a.rows, measured)
    console = Console(width=100)
    console.print(measured)
    console.print(costs(listing, cache, search, a.size, a.encoders, a.embeds, a.draws))


if __name__ == "__main__":
    main()
