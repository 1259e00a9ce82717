"""The HDF5 embedding cache: self-describing, written whole or not at all, verified on reading."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from susx.errors import InputError
from susx.files import atomic

FORMAT = "susx-embeddings"
VERSION = 3
SEAL = 512
"""Bytes before the HDF5 file proper, its user block, which hold the checksum of all the rest."""
ROWS_PER_CHUNK = 4096
NORM_TOLERANCE = {"float32": 1e-4, "float16": 2e-3}


@dataclass(frozen=True)
class Embeddings:
    """Unit feature rows with labels and keys.

    Attributes:
        features: (N, d), or (N, P, d) for the patches of images; float16 or float32 rows of unit
            length.
        labels: (N,) int32 class indices, -1 where unknown.
        keys: N strings that identify the rows.
        meta: encoder, class-manifest hash, input hash, counts, versions.
        norms: (N,) float32 lengths of the rows before normalisation, where they are known.
    """

    features: NDArray[np.floating[Any]]
    labels: NDArray[np.int32]
    keys: list[str]
    meta: dict[str, Any]
    norms: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.labels)


def write_cache(path: str | Path, embeddings: Embeddings) -> None:
    """Write a cache; the file appears only when it is complete.

    Raises:
        InputError: if shapes disagree or a row is not finite and of unit norm.
    """
    import h5py

    _check(path, embeddings, "the encoder returned unusable features; check its weights")
    meta = json.dumps(embeddings.meta, sort_keys=True)
    shape = embeddings.features.shape
    with atomic(path) as temporary:
        with h5py.File(temporary, "w", userblock_size=SEAL) as file:
            options: dict[str, Any] = {}
            if shape[0]:
                rows = min(_block_rows(embeddings.features), shape[0])
                options = {"fletcher32": True, "chunks": (rows, *shape[1:])}
            file.create_dataset("features", data=embeddings.features, **options)
            file.create_dataset("labels", data=embeddings.labels.astype(np.int32))
            if embeddings.norms is not None:
                file.create_dataset("norms", data=embeddings.norms)
            keys = np.array(embeddings.keys, dtype=object)
            file.create_dataset("keys", data=keys, dtype=h5py.string_dtype("utf-8"))
            file.attrs["format"] = FORMAT
            file.attrs["version"] = VERSION
            file.attrs["meta"] = meta
        seal(temporary)


def seal(path: str | Path) -> None:
    """Put the checksum of an HDF5 file into its user block.

    It is looked at before the HDF5 library sees the file, which can wait for ever on a damaged one.
    """
    with Path(path).open("r+b") as stream:
        mark = _seal(stream)
        stream.seek(0)
        stream.write(mark)


def _seal(stream: IO[bytes]) -> bytes:
    stream.seek(SEAL)
    digest = hashlib.file_digest(stream, "sha256").hexdigest()  # type: ignore[arg-type]
    return f"{FORMAT} sha256 {digest}\n".encode().ljust(SEAL, b"\0")


def _is_sealed(path: str | Path) -> bool:
    with Path(path).open("rb") as stream:
        return stream.read(SEAL) == _seal(stream)


def read_cache(
    path: str | Path, classes_sha256: str | None = None, n_classes: int | None = None
) -> Embeddings:
    """Read and verify a cache.

    Args:
        path: the file.
        classes_sha256: hash of the class manifest that the labels must refer to.
        n_classes: number of classes; labels must lie below it.

    Raises:
        InputError: if the file is truncated, altered, foreign, or belongs to other classes.
    """
    import h5py

    advice = "delete it and run again; the pipeline rebuilds it"
    try:
        if not _is_sealed(path):
            raise InputError(
                f"{path}: truncated or damaged (contents do not fit the stored checksum); {advice}"
            )
        with h5py.File(path, "r") as file:
            if file.attrs.get("format") != FORMAT:
                raise InputError(f"{path}: not an embedding cache; {advice}")
            if file.attrs["version"] != VERSION:
                raise InputError(
                    f"{path}: cache version {file.attrs['version']}, expected {VERSION}; {advice}"
                )
            stated = sum(d.size * d.dtype.itemsize for d in file.values())
            if stated > Path(path).stat().st_size:  # reading it could fill the memory
                raise InputError(f"{path}: states more values than it holds; {advice}")
            embeddings = Embeddings(
                features=file["features"][:],
                labels=file["labels"][:],
                keys=file["keys"].asstr()[:].tolist(),
                meta=json.loads(file.attrs["meta"]),
                norms=file["norms"][:] if "norms" in file else None,
            )
    except FileNotFoundError:
        raise InputError(f"{path}: file not found; run the pipeline to build it") from None
    except InputError:
        raise
    except Exception as error:  # h5py raises many kinds for broken files
        raise InputError(f"{path}: truncated or damaged ({error}); {advice}") from None
    owner = embeddings.meta.get("classes_sha256")
    if classes_sha256 is not None and owner != classes_sha256:
        raise InputError(
            f"{path}: belongs to another class list ({str(owner)[:12]}, expected "
            f"{classes_sha256[:12]}); {advice}"
        )
    _check(path, embeddings, advice)
    if n_classes is not None and len(embeddings) and int(embeddings.labels.max()) >= n_classes:
        raise InputError(
            f"{path}: label {embeddings.labels.max()} with only {n_classes} classes; {advice}"
        )
    return embeddings


def _check(path: str | Path, embeddings: Embeddings, advice: str) -> None:
    features, labels, keys = embeddings.features, embeddings.labels, embeddings.keys
    sizes = {len(part) for part in (features, labels, keys, embeddings.norms) if part is not None}
    if features.ndim not in (2, 3) or len(sizes) > 1:
        raise InputError(
            f"{path}: features {features.shape}, labels {labels.shape} and {len(keys)} keys do "
            f"not fit together; {advice}"
        )
    if str(features.dtype) not in NORM_TOLERANCE:
        raise InputError(f"{path}: features are {features.dtype}, not float16 or 32; {advice}")
    size = _block_rows(features)
    for start in range(0, len(features), size):
        block = features[start : start + size].astype(np.float32)
        norms = np.sqrt(np.einsum("...d,...d->...", block, block))
        wrong = ~(np.abs(norms - 1) <= NORM_TOLERANCE[str(features.dtype)])
        if wrong.any():
            row = start + int(np.argwhere(wrong)[0, 0])
            kind = "not finite" if not np.isfinite(norms[wrong][0]) else "not of unit length"
            raise InputError(f'{path}: row {row} ("{keys[row]}") is {kind}; {advice}')


def _block_rows(features: NDArray[Any]) -> int:
    """Rows that are stored and checked at once: fewer where a row holds many patches."""
    return max(1, ROWS_PER_CHUNK // (features.shape[1] if features.ndim == 3 else 1))


def normalised(raw: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Split (..., d) embeddings into rows of unit length and their (...) lengths."""
    norms = np.linalg.norm(raw, axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return raw / norms[..., None], norms


def concatenate(parts: Sequence[NDArray[Any]], dimension: int, dtype: str) -> NDArray[Any]:
    """Join feature blocks; no block gives a (0, d) array."""
    if not parts:
        return np.zeros((0, dimension), dtype=dtype)
    return np.concatenate(parts).astype(dtype, copy=False)
