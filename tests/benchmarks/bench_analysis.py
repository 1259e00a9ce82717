"""Time and memory of an analysis at the size of ImageNet, on made features.

    python -m tests.benchmarks.bench_analysis [--support 100] [--method tip-x] [--threads 2]

50,000 test images, 1,000 classes and 100 support images of each, 1,024 dimensions. Prints seconds,
those of the processor, and peak memory of the modality gap and of a whole analysis of a method's
row, each in a process of its own.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from susx.core.compute import flush_subnormals, limit_threads, peak_mib
from susx.embeddings.cache import Embeddings, read_cache, write_cache
from susx.manifests.classes import class_manifest

CLASSES, TEST, DIMENSION = 1000, 50, 1024
LOGIT_SCALE = 100.0
MANIFEST = class_manifest([f"class {number}" for number in range(CLASSES)])
META = {
    "encoder": {"weights_sha256": "w"},
    "classes_sha256": MANIFEST.sha256,
    "input_sha256": "i",
    "logit_scale": LOGIT_SCALE,
}


def write_part(path: Path, per_class: int, noise: float, shift: np.ndarray, seed: int) -> None:
    """Noisy copies of the class centres, all moved the same way."""
    centres = np.random.default_rng(0).standard_normal((CLASSES, DIMENSION), np.float32)
    labels = np.repeat(np.arange(CLASSES, dtype=np.int32), per_class)
    rows = centres[labels]
    rows += noise * np.random.default_rng(seed).standard_normal(rows.shape, np.float32) + shift
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    keys = [f"{number:06d}" for number in range(len(labels))]
    write_cache(path, Embeddings(rows.astype(np.float16), labels, keys, META))


def write_files(folder: Path, per_class: int) -> None:
    shift = np.random.default_rng(9).standard_normal(DIMENSION).astype(np.float32)
    MANIFEST.write(folder / "classes.json")
    write_part(folder / "ensemble.h5", 1, 1.5, -shift, 1)
    write_part(folder / "test.h5", TEST, 2.5, shift, 2)
    write_part(folder / "lc.h5", per_class, 2.5, shift, 3)


def gap(folder: Path, name: str) -> None:
    import torch

    from susx.embeddings.text_classifier import text_classifier
    from susx.evaluation.arrays import LabelledImages
    from susx.methods import Context, Images
    from susx.report.gap import modality_gap

    text, test, support = (read_cache(folder / f"{n}.h5") for n in ("ensemble", "test", "lc"))
    weights = torch.from_numpy(text_classifier(text, MANIFEST.names).weights)
    rows = [torch.from_numpy(part.features).float() for part in (test, support)]
    labels = [torch.from_numpy(part.labels.astype(np.int64)) for part in (test, support)]
    context = Context(weights, 100.0, rows[1], labels[1])
    scale = {"rescaling": torch.tensor([0.0, 1.0, 0.0])}
    started, worked = time.perf_counter(), time.process_time()
    modality_gap(context, LabelledImages(Images(rows[0]), labels[0]), scale, 0)
    print(time.perf_counter() - started, time.process_time() - worked)


def whole(folder: Path, name: str) -> None:
    from susx.evaluation.case import Case, Protocol
    from susx.evaluation.files import CacheFiles
    from susx.methods import METHODS
    from susx.report.analysis import AnalysisSettings, analyse

    method = METHODS[name]
    protocol: Protocol = "fixed" if method.grid else "none"
    case = Case(method=name, text="ensemble", support="lc", protocol=protocol)
    files = CacheFiles(
        classes=str(folder / "classes.json"),
        texts={"ensemble": str(folder / "ensemble.h5")},
        images={"test": str(folder / "test.h5")},
        image_manifests={},
        supports={"lc": str(folder / "lc.h5")},
        support_manifests={},
    )
    row: dict[str, Any] = {
        **case.model_dump(),
        "hyperparameters": method.scaled(method.fixed, LOGIT_SCALE),
        "tuned_on": "nothing",
        "correct": None,
    }
    started, worked = time.perf_counter(), time.process_time()
    made = {"inputs": {}, "classes_sha256": MANIFEST.sha256}
    evaluation = {"encoder": "made", "runs": [row], "planes": [], "provenance": made}
    analyse("made", "made", files, evaluation, case, AnalysisSettings(12, 3, 10))
    print(time.perf_counter() - started, time.process_time() - worked)


STEPS = {"gap": gap, "whole": whole}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--support", type=int, default=100)
    parser.add_argument("--method", default="tip-x")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--step", nargs=2, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    limit_threads(chosen.threads)
    if chosen.step:
        flush_subnormals()  # as jobs do
        name, folder = chosen.step
        STEPS[name](Path(folder), chosen.method)
        print(peak_mib())
        return
    with TemporaryDirectory() as folder:
        write_files(Path(folder), chosen.support)
        for name in STEPS:
            command = [sys.executable, "-m", "tests.benchmarks.bench_analysis"]
            command += ["--threads", str(chosen.threads), "--method", chosen.method]
            command += ["--step", name, folder]
            done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
            seconds, worked, peak = map(float, done.stdout.split())
            took = f"{seconds:.1f} s, {worked:.1f} s of processor time"
            print(f"{name:>6}: {took}, {peak:.0f} MiB", flush=True)


if __name__ == "__main__":
    main()
