"""Peak memory of listing and embedding many tiny images.

    python -m tests.benchmarks.bench_memory [--images 10000 100000]

Writes that many PNGs of 32 x 32 pixels into class folders; lists them and embeds them with a tiny
random CLIP, each in a process of its own, as the pipeline's jobs are. Prints peak memory of both
and what it grew per image between the smallest and the largest number.
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
from susx.manifests.tables import ImageRecord, read_table, write_table
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


STEPS = {"list": list_images, "embed": embed}


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
