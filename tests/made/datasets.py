"""Miniature datasets in the layouts that the real ones have."""

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np

from susx.config.cards import load_card
from susx.config.datasets import ImageSettings
from susx.datasets.sources import Place, locate, split_manifest
from susx.manifests.classes import ClassManifest
from susx.manifests.names import named_classes
from susx.manifests.tables import ImageRecord, Table
from tests.helpers import image_bytes

RED = (200, 30, 60)


def classes_of(card: str) -> ClassManifest:
    return named_classes(None, card, "card")


def place_of(card: str, root: Path, source: str | None = None) -> Place:
    return locate(ImageSettings(root=str(root), source=source), load_card(card), "images")


def manifest_of(card: str, root: Path, split: str = "test") -> Table:
    """List a split as a job does that gets its settings as plain values."""
    settings = json.loads(json.dumps(place_of(card, root).settings(split)))
    return split_manifest(settings, classes_of(card), f"images.{split}")


def names_by_key(table: Table) -> dict[str, str]:
    records: list[ImageRecord] = table.records
    return {record.key: record.class_name for record in records}


def reasons(table: Table) -> dict[str, str]:
    return {record.key: record.reason for record in table.records if record.reason}


def write_image(path: Path, **options: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(image_bytes(RED, size=(8, 6), **{"format": "JPEG", **options}))


def write_split_file(path: Path, images: Path, **rows: list[tuple[str, int, str]]) -> None:
    """Write a split file with rows for `train`, `val` and `test`, and their images."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = {key: rows.get(key, []) for key in ("train", "val", "test")}
    path.write_text(json.dumps(data, indent=4), "utf-8")
    for listed in data.values():
        for name, _, _ in listed:
            write_image(images / name)


def cifar_pixels(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, 3072), dtype=np.uint8)


def write_cifar10(root: Path, labels: list[int], protocol: int = 2) -> np.ndarray:
    """Write a test batch and the names; five training batches have one image each."""
    folder = root / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    names = [
        *("airplane", "automobile", "bird", "cat", "deer"),
        *("dog", "frog", "horse", "ship", "truck"),
    ]
    pixels = cifar_pixels(len(labels))
    batches = {f"data_batch_{i}": (cifar_pixels(1, i), [i]) for i in range(1, 6)}
    for name, (data, its_labels) in {**batches, "test_batch": (pixels, labels)}.items():
        batch = {b"batch_label": b"testing", b"labels": its_labels, b"data": data}
        (folder / name).write_bytes(pickle.dumps(batch, protocol=protocol))
    meta = {b"num_cases_per_batch": 10000, b"label_names": [name.encode() for name in names]}
    (folder / "batches.meta").write_bytes(pickle.dumps(meta, protocol=protocol))
    return pixels
