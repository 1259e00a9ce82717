"""Small caches and manifests, as they are before an evaluation: three classes, one support set."""

from pathlib import Path
from typing import Any

import numpy as np

from susx.embeddings.cache import Embeddings, write_cache
from susx.evaluation.files import CacheFiles
from susx.manifests.classes import class_manifest, embedded_records, records_sha256
from susx.manifests.tables import ImageRecord, SupportRecord, Table, write_table
from tests.helpers import make_problem, unit_rows
from tests.made.result import account

CLASSES = class_manifest(["zebra", "St. Bernard", "ant"])
PROBLEM = make_problem(0, n=30, support=(3, 2, 4))
PARTS = {"test": slice(0, 20), "validation": slice(20, 30)}
TEXTS = ("ensemble", "cupl", "cupl+e")
SUPPORT_META = account(
    4, {"zebra": {"kept": 4, "duplicate": 1}, "St. Bernard": {"kept": 3}, "ant": {"kept": 2}}
)


def embeddings(features: np.ndarray, labels: np.ndarray, **meta: Any) -> Embeddings:
    defaults = {
        "encoder": {"library": "transformers", "weights_sha256": "w" * 64, "precision": "float32"},
        "classes_sha256": CLASSES.sha256,
        "input_sha256": "i" * 64,
        "logit_scale": 50.0,
    }
    keys = [f"{i:03d}" for i in range(len(labels))]
    norms = np.linspace(8, 12, len(labels), dtype=np.float32) if features.ndim == 2 else None
    return Embeddings(features, labels.astype(np.int32), keys, defaults | meta, norms)


def text_embeddings(strategy: str) -> Embeddings:
    """Two noisy texts per class."""
    noise = unit_rows(np.random.default_rng(len(strategy)), 6, 8)
    rows = np.repeat(PROBLEM.text, 2, axis=0) + 0.3 * noise
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return embeddings(rows, np.repeat(np.arange(3), 2), strategy=strategy, n_truncated=1)


def image_record(key: str, label: int = 0, reason: str = "") -> ImageRecord:
    name = CLASSES.names[label]
    return ImageRecord(key, f"photos/{key}", label, name, "0" * 64, 4, 3, reason)


def image_table(split: str) -> Table:
    """The images of a split; of `test` one more that broke early, and one that broke late."""
    labels = PROBLEM.labels[PARTS[split]].tolist()
    records = [image_record(f"{i:03d}", label) for i, label in enumerate(labels)]
    if split == "test":
        records += [image_record("early.png", reason="truncated"), image_record("late.png")]
    return Table(records, CLASSES.sha256)


def support_table() -> Table:
    def record(i: int, label: int) -> SupportRecord:
        origin, sha256 = ("web", f"p#{i}", ""), "1" * 64
        name = CLASSES.names[label]
        return SupportRecord(f"{i:03d}", label, name, i, 1.0, *origin, sha256, 4, 3, True)

    records = [record(i, label) for i, label in enumerate(PROBLEM.support_labels.tolist())]
    return Table(records, CLASSES.sha256, SUPPORT_META)


def input_of(table: Table) -> str:
    return records_sha256(embedded_records(table))


def write_files(folder: Path, texts: tuple[str, ...] = TEXTS) -> CacheFiles:
    """Write everything that one encoder's evaluation reads."""
    CLASSES.write(folder / "classes.json")
    for name in texts:
        write_cache(folder / f"text-{name}.h5", text_embeddings(name))
    for split, rows in PARTS.items():
        table, labels = image_table(split), PROBLEM.labels[rows]
        failed = {"late.png": "empty file"} if split == "test" else {}
        meta = {"input_sha256": input_of(table), "failed": failed}
        write_cache(folder / f"images-{split}.h5", embeddings(PROBLEM.images[rows], labels, **meta))
        patches = unit_rows(np.random.default_rng(0), 3 * len(labels), 8).reshape(-1, 3, 8)
        write_cache(folder / f"patches-{split}.h5", embeddings(patches, labels, **meta))
        write_table(folder / f"{split}.parquet", table, ImageRecord)
    chosen = support_table()
    made = embeddings(PROBLEM.support, PROBLEM.support_labels, input_sha256=input_of(chosen))
    write_cache(folder / "support-lc.h5", made)
    write_table(folder / "lc.parquet", chosen, SupportRecord)
    return CacheFiles(
        classes=str(folder / "classes.json"),
        texts={n: str(folder / f"text-{n}.h5") for n in texts},
        images={n: str(folder / f"images-{n}.h5") for n in PARTS},
        image_manifests={n: str(folder / f"{n}.parquet") for n in PARTS},
        supports={"lc": str(folder / "support-lc.h5")},
        support_manifests={"lc": str(folder / "lc.parquet")},
        patches={n: str(folder / f"patches-{n}.h5") for n in PARTS},
    )
