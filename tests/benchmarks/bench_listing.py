"""What it costs to look at a folder of many images: for the first time, again, and after a touch.

    python -m tests.benchmarks.bench_listing --files 1300000

Files hold one byte each: what is measured are names, stamps and what is remembered, not reading.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from susx.artifacts.memory import Memory

PER_FOLDER = 1300  # as in the training images of ImageNet
OLD = 10**9  # seconds since 1970, so that the files do not count as young


def write_files(root: Path, count: int) -> None:
    """Write folders of one-byte files."""
    for start in range(0, count, PER_FOLDER):
        folder = root / f"{start // PER_FOLDER:05d}"
        folder.mkdir(parents=True)
        for number in range(start, min(start + PER_FOLDER, count)):
            (folder / f"{number:08d}.jpg").write_bytes(b"x")


def timed(what: str, work: Callable[[], object]) -> None:
    """Print the seconds that something takes."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(f"{what:<44} {wall:7.1f} s, {cpu:7.1f} s of processor time", flush=True)


def main() -> None:
    """Write files, look at them five times, and remove them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=100_000, help="number of files")
    parser.add_argument("--folder", type=Path, help="where to write them")
    chosen = parser.parse_args()
    place = Path(tempfile.mkdtemp(dir=chosen.folder))
    root, memory = place / "images", place / "memory"

    def look(budget: int | None = None) -> str | None:
        return Memory(memory, budget).identity(str(root))

    try:
        timed(f"write {chosen.files:,} files", lambda: write_files(root, chosen.files))
        time.sleep(3)  # files younger than two seconds are looked at again
        timed("first look: names, stamps, contents", look)
        timed("again: names and stamps", lambda: look(0))
        (root / "00000" / "new.jpg").write_bytes(b"x")
        time.sleep(3)
        timed("one file more: what is remembered is read", look)
        for path in root.rglob("*.jpg"):
            os.utime(path, (OLD, OLD))
        time.sleep(3)
        timed("after a touch of all: contents again", look)
    finally:
        shutil.rmtree(place)


if __name__ == "__main__":
    main()
