"""Peak memory of listing and embedding many tiny images, and of choosing among them.

    python -m tests.benchmarks.bench_memory [--images 10000 100000]

Writes that many PNGs of 32 x 32 pixels into class folders. Lists them, embeds them with a tiny
random CLIP, draws a few-shot support set of them all, and chooses a support set with them all as
candidates of a pool; each in a process of its own, as the jobs of the pipeline are. Prints peak
memory of each and what it grew per image between the smallest and the largest number.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from susx.config.schema import EncoderSettings
from susx.core.compute import limit_threads, peak_mib
from susx.manifests.classes import class_manifest
from susx.manifests.tables import ImageRecord, SupportRecord, read_table, write_table
from tests.helpers import image_bytes, save_tiny_clip

CLASSES = [f"class {number}" for number in range(100)]
DISTINCT = 500


def write_images(folder: Path, number: int) -> None:
    images = [image_bytes((i % 256, 90, 30), (32, 32), seed=i) for i in range(DISTINCT)]
    for name in CLASSES:
        (folder / name).mkdir(parents=True)
    for i in range(number):
        (folder / CLASSES[i % len(CLASSES)] / f"{i:06d}.png").write_bytes(images[i % DISTINCT])


def list_images(folder: Path) -> None:
    from susx.datasets.manifest import image_manifest

    table = image_manifest(folder / "images", class_manifest(CLASSES), threads=2)
    write_table(folder / "manifest.parquet", table, ImageRecord)


def embed(folder: Path) -> None:
    from susx.embeddings.embed import embed_images

    table = read_table(folder / "manifest.parquet", ImageRecord)
    settings = EncoderSettings(library="transformers", model=str(folder / "model"), device="cpu")
    embed_images(settings, table, folder / "cache.h5", threads=2)


def draw(folder: Path) -> None:
    from susx.support.few_shot import draw_support

    table = read_table(folder / "manifest.parquet", ImageRecord)
    size = len(table.records) // len(CLASSES)
    drawn = draw_support(table, class_manifest(CLASSES), size, 0, folder / "few.tar")
    write_table(folder / "few.parquet", drawn, SupportRecord)


def select(folder: Path) -> None:
    """Each image is a candidate of its class alone."""
    from susx.pools.shards import Shard
    from susx.support.retrieval import Candidate
    from susx.support.selection import collect_support
    from susx.support.strategies import Selection

    table = read_table(folder / "manifest.parquet", ImageRecord)
    ranking: list[list[Candidate]] = [[] for _ in CLASSES]
    root = folder / "images"
    for record in table.records:
        key = Path(record.path).relative_to(root).as_posix()
        ranking[record.label].append(
            Candidate(record.label, 0, 0.0, "0", key, sha256=record.sha256)
        )
    del table
    shards = {"0": Shard("folder", str(root))}
    selection, images = Selection(len(ranking[0])), folder / "chosen.tar"
    chosen = collect_support(ranking, shards, class_manifest(CLASSES), selection, "pool", images)
    write_table(folder / "chosen.parquet", chosen, SupportRecord)


STEPS = {"list": list_images, "embed": embed, "draw": draw, "select": select}


def measure(step: str, folder: Path) -> tuple[float, float]:
    """Seconds and peak MiB of a step in a process of its own."""
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.bench_memory", "--step", step, str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=True,
        text=True,
    )
    return time.perf_counter() - start, float(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--step", nargs=2, metavar=("STEP", "FOLDER"), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    limit_threads(2)
    if chosen.step:
        STEPS[chosen.step[0]](Path(chosen.step[1]))
        print(peak_mib())
        return
    peaks: dict[str, list[float]] = {step: [] for step in STEPS}
    for number in chosen.images:
        with TemporaryDirectory() as name:
            folder = Path(name)
            write_images(folder / "images", number)
            save_tiny_clip(folder / "model")
            for step in STEPS:
                seconds, peak = measure(step, folder)
                peaks[step].append(peak)
                print(f"{step:>6} {number} images: {peak:.0f} MiB, {number / seconds:.0f} images/s")
    if len(chosen.images) > 1:
        more = chosen.images[-1] - chosen.images[0]
        for step, found in peaks.items():
            print(f"{step:>6}: {1024 * (found[-1] - found[0]) / more:.2f} KiB more per image")


if __name__ == "__main__":
    main()
