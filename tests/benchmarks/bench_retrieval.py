"""Exact search of one shard of published embeddings, against the bare product and top-k.

`python -m tests.benchmarks.bench_retrieval` searches 1,000,000 float16 rows of dimension 512, in a
file, with 1,000 queries, for the best 160 each. The ceiling is what nothing that looks at every
score can do without: for the same rows, already in memory, convert a block to float32, multiply,
and `topk` each block, without reading, checking, merging, ties or exact scores, at the block size
that suits it best. Both take turns, `--repeats` times; the ratio is the median over turns, of wall
time and of processor time, which other work on the machine disturbs less. `--check` compares the
hits with a plain full sort of all float64 scores, for as many queries. Peak memory is that of a
process that only searches (`--search-only`).
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch

from susx.core.compute import peak_mib
from susx.support.exact import BLOCK_ROWS, Nearest, nearest_rows
from susx.support.npy import NpyFile

CEILING_BLOCKS = (4096, 8192, 16384, 32768)
TRIES = 3
"""Of each size: the first also waits for memory that is new, and would choose too large ones."""


def unit_rows(random: np.random.Generator, n: int, d: int) -> np.ndarray:
    rows = random.standard_normal((n, d), np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def write_rows(path: Path, n: int, d: int) -> None:
    """Write unit rows that share a direction, as CLIP's do, in float16."""
    random = np.random.default_rng(0)
    shared = unit_rows(random, 1, d)
    header = {"descr": "<f2", "fortran_order": False, "shape": (n, d)}
    with path.open("wb") as stream:
        np.lib.format.write_array_header_1_0(stream, header)
        for start in range(0, n, 65536):
            block = unit_rows(random, min(65536, n - start), d) + shared
            block /= np.linalg.norm(block, axis=1, keepdims=True)
            stream.write(block.astype(np.float16).tobytes())


def blocks(path: Path, size: int) -> Iterator[np.ndarray]:
    with NpyFile.open(path) as file:
        yield from file.blocks(size)


def search(path: Path, queries: np.ndarray, k: int) -> Nearest:
    return nearest_rows(queries, blocks(path, BLOCK_ROWS), k)


def ceiling(rows: np.ndarray, queries: np.ndarray, k: int, size: int) -> None:
    texts = torch.from_numpy(queries)
    for start in range(0, len(rows), size):
        images = torch.from_numpy(rows[start : start + size]).float()
        (texts @ images.T).topk(min(k, len(images)), sorted=False)


def seconds(function: Callable[..., object], *arguments: object) -> np.ndarray:
    """Wall and processor time."""
    started = time.perf_counter(), time.process_time()
    function(*arguments)
    return np.array([time.perf_counter(), time.process_time()]) - started


def check(path: Path, queries: np.ndarray, k: int, n: int) -> None:
    """Compare the hits of `n` queries with a full sort."""
    found, rows = search(path, queries, k), np.load(path, mmap_mode="r")
    for query in np.linspace(0, len(queries) - 1, n).astype(int):
        scores = np.concatenate(
            [
                np.vecdot(rows[i : i + 4096].astype(np.float64), queries[query].astype(float))
                for i in range(0, len(rows), 4096)
            ]
        )
        order = np.argsort(-scores, kind="stable")[:k]
        assert (order == found.rows[query]).all()
        assert (scores[order] == found.scores[query]).all()
    print(f"hits of {n} queries equal a full sort, scores included")


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    sizes = {"queries": 1000, "rows": 1_000_000, "d": 512, "k": 160, "threads": 2, "repeats": 3}
    for name, value in {**sizes, "check": 0}.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--search-only", metavar="FILE", help="search this file and print memory")
    a = parser.parse_args()
    torch.set_num_threads(a.threads)
    queries = unit_rows(np.random.default_rng(1), a.queries, a.d)
    if a.search_only:
        search(Path(a.search_only), queries, a.k)
        print(f"peak memory {peak_mib() / 1024:.2f} GiB")
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.npy"
        write_rows(path, a.rows, a.d)
        # First, because a process starts with the peak of the one that started it.
        arguments = [f"--{name}={getattr(a, name)}" for name in sizes]
        module = [sys.executable, "-m", "tests.benchmarks.bench_retrieval"]
        subprocess.run([*module, "--search-only", str(path), *arguments], check=True)
        rows = np.load(path)
        part = rows[: 2 * max(CEILING_BLOCKS)]
        tried = {
            size: min(seconds(ceiling, part, queries, a.k, size)[1] for _ in range(TRIES))
            for size in CEILING_BLOCKS
        }
        size = min(tried, key=lambda size: tried[size])
        turns = []
        for _ in range(a.repeats):
            ours, bare = (
                seconds(search, path, queries, a.k),
                seconds(ceiling, rows, queries, a.k, size),
            )
            turns.append([ours, bare])
            print(
                f"search {ours[0]:.2f} s ({ours[1]:.2f} s of processor time), ceiling "
                f"{bare[0]:.2f} s ({bare[1]:.2f} s), blocks of {size:,}",
                flush=True,
            )
        times = np.array(turns)
        wall, processor = np.median(100 * times[:, 1] / times[:, 0], axis=0)
        print(
            f"{a.queries:,} queries x {a.rows:,} rows x {a.d}, best {a.k}: {wall:.0f} % of the "
            f"ceiling by wall time, {processor:.0f} % by processor time"
        )
        if a.check:
            check(path, queries, a.k, a.check)


if __name__ == "__main__":
    main()
