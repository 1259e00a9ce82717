"""Embeddings of all shapes, and caches crafted by hand."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from susx.embeddings import cache
from susx.embeddings.cache import Embeddings
from tests.helpers import unit_rows

META = {"classes_sha256": "f" * 64, "encoder": {"weights_sha256": "0"}, "n_failed": 0}


def embeddings(n: int = 6, d: int = 8, dtype: str = "float32", seed: int = 0) -> Embeddings:
    features = unit_rows(np.random.default_rng(seed), n, d).astype(dtype)
    labels = (np.arange(n) % 3).astype(np.int32)
    return Embeddings(features, labels, [f"Åland/{i:03d}.png" for i in range(n)], dict(META))


def with_norms(n: int = 6) -> Embeddings:
    return replace(embeddings(n), norms=np.linspace(8, 12, n, dtype=np.float32))


def with_hashes(n: int = 6) -> Embeddings:
    hashes = np.random.default_rng(3).integers(0, 256, (n, 32), dtype=np.uint8)
    return replace(with_norms(n), hashes=hashes)


def of_patches(n: int = 6, patches: int = 5, dtype: str = "float32") -> Embeddings:
    rows = unit_rows(np.random.default_rng(1), n * patches, 8).reshape(n, patches, 8)
    return replace(embeddings(n), features=rows.astype(dtype))


def same(a: Embeddings, b: Embeddings) -> bool:
    def equal(first: np.ndarray | None, second: np.ndarray | None) -> bool:
        if first is None or second is None:
            return first is second
        return first.dtype == second.dtype and np.array_equal(first, second)

    names = ("features", "labels", "norms", "hashes")
    arrays = [(getattr(a, name), getattr(b, name)) for name in names]
    return all(equal(*pair) for pair in arrays) and (a.keys, a.meta) == (b.keys, b.meta)


def with_row(row: np.ndarray | float) -> Embeddings:
    """Embeddings whose row 4 is replaced."""
    made = embeddings()
    made.features[4] = row
    return made


def craft(path: Path, made: Embeddings, **attributes: Any) -> None:
    """Write a cache by hand, with a correct checksum and whatever content."""
    meta = json.dumps(made.meta, sort_keys=True)
    with h5py.File(path, "w", userblock_size=cache.SEAL) as file:
        file["features"] = made.features
        for name, vector in made.vectors.items():
            file[name] = vector
        file.create_dataset(
            "keys", data=np.array(made.keys, object), dtype=h5py.string_dtype("utf-8")
        )
        defaults = {"format": cache.FORMAT, "version": cache.VERSION, "meta": meta}
        checksum = {"sha256": cache._digest(made, meta)}
        for name, value in {**defaults, **checksum, **attributes}.items():
            if value is not None:
                file.attrs[name] = value
    cache.seal(path)
