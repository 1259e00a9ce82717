"""Search of a shard for several support sets at once, against one search for each.

`python -m tests.benchmarks.bench_shared_search` searches 1,000,000 published embeddings of
dimension 512 and their metadata for four support sets of 250 queries, the best 160 rows each. It
prints bytes read, from the kernel's count for this process, and processor time; both ways take
turns.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from susx.embeddings.cache import Embeddings
from susx.manifests.tables import Table
from susx.pools.web import WebShard
from susx.support.embedding_shards import search_embeddings
from susx.support.retrieval import TextRequest
from tests.benchmarks.bench_retrieval import unit_rows, write_rows

SETS, QUERIES, LIMIT, DIMENSION = 4, 250, 160, 512


def write_pool(folder: Path, n_rows: int) -> WebShard:
    write_rows(folder / "rows.npy", n_rows, DIMENSION)
    columns = {
        "url": [f"https://example.org/{row:09d}.jpg" for row in range(n_rows)],
        "caption": [f"a photo with the number {row}" for row in range(n_rows)],
    }
    pq.write_table(pa.table(columns), folder / "rows.parquet", row_group_size=100_000)
    return WebShard(str(folder / "rows.npy"), str(folder / "rows.parquet"))


def requests() -> list[TextRequest]:
    random = np.random.default_rng(1)
    labels, keys = np.arange(QUERIES, dtype=np.int32), [str(i) for i in range(QUERIES)]
    meta = {"classes_sha256": "", "input_sha256": ""}
    texts = [unit_rows(random, QUERIES, DIMENSION) for _ in range(SETS)]
    return [TextRequest(Embeddings(rows, labels, keys, meta), LIMIT) for rows in texts]


def searched(shard: WebShard, groups: Sequence[Sequence[TextRequest]]) -> Iterator[Table]:
    for group in groups:
        yield from search_embeddings(group, shard, "rows", "clip")


def cost(
    shard: WebShard, groups: Sequence[Sequence[TextRequest]]
) -> tuple[list[Table], float, float]:
    """What is found, MB read and seconds of processor time."""
    read, started = bytes_read(), time.process_time()
    found = list(searched(shard, groups))
    return found, (bytes_read() - read) / 1e6, time.process_time() - started


def bytes_read() -> int:
    lines = Path(f"/proc/{os.getpid()}/io").read_text("utf-8").splitlines()
    return int(dict(line.split(": ") for line in lines)["rchar"])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    a = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        shard, asked = write_pool(Path(folder), a.rows), requests()
        turns = []
        for _ in range(a.repeats):
            together, *one = cost(shard, [asked])
            apart, *each = cost(shard, [[request] for request in asked])
            assert together == apart
            turns.append([*one, *each])
            print("together {:.0f} MB, {:.1f} s; apart {:.0f} MB, {:.1f} s".format(*turns[-1]))
        read, seconds, read_apart, seconds_apart = np.median(turns, axis=0)
        size = sum(path.stat().st_size for path in Path(folder).iterdir()) / 1e6
        print(
            f"{SETS} sets of {QUERIES} queries, {a.rows:,} rows: {read / size:.2f} times its "
            f"{size:.0f} MB read together, {read_apart / size:.2f} times apart, in "
            f"{seconds / seconds_apart:.2f} of the processor time"
        )


if __name__ == "__main__":
    main()
