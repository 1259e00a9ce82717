"""The HDF5 embedding cache: self-describing, written whole or not at all, verified on reading."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from susx.core.errors import InputError
from susx.core.files import Patient, atomic, sha256_json

FORMAT = "susx-embeddings"
VERSION = 4
SEAL = 512
"""Bytes before the HDF5 file proper, its user block, which hold the checksum of all the rest."""
ROWS_PER_CHUNK = 1024
CHUNK_CACHE = 2**26  # bytes; parts may end within a chunk
NORM_TOLERANCE = {"float32": 1e-4, "float16": 2e-3}
ENCODING = (
    *("library", "weights_sha256", "architecture", "vocabulary_sha256", "precision"),
    *("preprocessing", "transparency", "image_size", "jpeg_draft", "upright", "store"),
)
"""What embeddings depend on, of the provenance of an encoder."""


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
        hashes: (N, 32) uint8 SHA-256 of what the rows embed, where it is known: of the bytes of an
            image, of the UTF-8 text of a prompt.
    """

    features: NDArray[np.floating[Any]]
    labels: NDArray[np.int32]
    keys: list[str]
    meta: dict[str, Any]
    norms: NDArray[np.float32] | None = None
    hashes: NDArray[np.uint8] | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def sha256(self, row: int) -> str:
        """SHA-256 of what a row embeds, in hex; empty if it is unknown."""
        return "" if self.hashes is None else self.hashes[row].tobytes().hex()

    @property
    def encoder(self) -> dict[str, Any]:
        """Provenance of what embedded the rows; `store` says nothing of patches, always halves."""
        own: dict[str, Any] = self.meta["encoder"]
        return {k: v for k, v in own.items() if k != "store"} if self.features.ndim == 3 else own

    @property
    def vectors(self) -> dict[str, NDArray[Any]]:
        """What is known of each row, by name of its dataset."""
        named = {"labels": self.labels.astype(np.int32), "norms": self.norms, "sha256": self.hashes}
        return {name: vector for name, vector in named.items() if vector is not None}


def write_cache(path: str | Path, embeddings: Embeddings) -> None:
    """Write a cache; the file appears only when it is complete.

    Raises:
        InputError: if shapes disagree or a row is not finite and of unit norm.
    """
    _write(path, [embeddings], embeddings.features, len(embeddings), embeddings.meta)


def join_caches(path: str | Path, parts: Sequence[Path], meta: dict[str, Any]) -> None:
    """Write the rows of caches into one, in order; one of them is in memory at a time.

    Args:
        path: the new cache.
        parts: the others, at least one.
        meta: of the new cache.

    Raises:
        InputError: if a part is missing or damaged, or parts do not fit together.
    """
    sizes = [read_meta(part)[1] for part in parts]
    filled = [part for part, size in zip(parts, sizes, strict=True) if size] or list(parts[:1])
    first = read_cache(filled[0])
    blocks = chain([first], map(read_cache, filled[1:]))
    _write(path, blocks, first.features, sum(sizes), meta)


def _write(
    path: str | Path,
    parts: Iterable[Embeddings],
    like: NDArray[Any],
    rows: int,
    meta: dict[str, Any],
) -> None:
    """Write parts one after the other, as features of the dtype and width of `like`."""
    import h5py

    text, shape = json.dumps(meta, sort_keys=True), (rows, *like.shape[1:])
    options, step = dict[str, Any](), _block_rows(like)
    if rows:
        options = {"fletcher32": True, "chunks": (min(step, rows), *shape[1:])}
    layout = {"rdcc_nbytes": CHUNK_CACHE, "userblock_size": SEAL, "locking": False}
    digest = hashlib.sha256(text.encode())
    digest.update(f"{like.dtype}{shape}".encode())
    columns, keys, start = defaultdict[str, list[NDArray[Any]]](list), list[str](), 0
    with atomic(path) as temporary:
        with Patient(temporary, "w+") as stream, h5py.File(stream, "w", **layout) as file:
            features = file.create_dataset("features", shape, like.dtype, **options)
            for part in parts:
                _check(path, part, "the encoder returned unusable features; check its weights")
                for place in range(0, len(part), step):
                    some = part.features[place : place + step]
                    features[start : start + len(some)] = some
                    stream.check()
                    start += len(some)
                digest.update(np.ascontiguousarray(part.features).data)
                keys += part.keys
                for name, vector in part.vectors.items():
                    columns[name].append(vector)
            vectors = {name: np.concatenate(column) for name, column in columns.items()}
            for name, vector in vectors.items():
                file.create_dataset(name, data=vector)
            strings = np.array(keys, dtype=object)
            file.create_dataset("keys", data=strings, dtype=h5py.string_dtype("utf-8"))
            file.attrs["format"] = FORMAT
            file.attrs["version"] = VERSION
            file.attrs["meta"] = text
            file.attrs["sha256"] = _finished(digest, vectors.values(), keys)
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


def read_meta(path: str | Path) -> tuple[dict[str, Any], int]:
    """Read `meta` and the number of rows of a cache, of which only the file is verified.

    Raises:
        InputError: if it is not a readable cache.
    """
    import h5py

    try:
        if not _is_sealed(path):
            raise InputError("contents do not fit the stored checksum")
        with h5py.File(path, "r", locking=False) as file:
            return json.loads(file.attrs["meta"]), len(file["labels"])
    except Exception as error:  # h5py raises many kinds for broken files
        raise InputError(f"{path}: not a readable embedding cache ({error})") from None


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
        with h5py.File(path, "r", locking=False) as file:
            if file.attrs.get("format") != FORMAT:
                raise InputError(f"{path}: not an embedding cache; {advice}")
            if file.attrs["version"] != VERSION:
                raise InputError(
                    f"{path}: cache version {file.attrs['version']}, expected {VERSION}; {advice}"
                )
            stated = sum(d.size * d.dtype.itemsize for d in file.values())
            if stated > Path(path).stat().st_size:  # reading it could fill the memory
                raise InputError(f"{path}: states more values than it holds; {advice}")
            meta = str(file.attrs["meta"])
            stored = str(file.attrs["sha256"])
            embeddings = Embeddings(
                features=file["features"][:],
                labels=file["labels"][:],
                keys=file["keys"].asstr()[:].tolist(),
                meta=json.loads(meta),
                norms=file["norms"][:] if "norms" in file else None,
                hashes=file["sha256"][:] if "sha256" in file else None,
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
    if _digest(embeddings, meta) != stored:
        raise InputError(f"{path}: contents do not fit the stored checksum; {advice}")
    return embeddings


def _check(path: str | Path, embeddings: Embeddings, advice: str) -> None:
    features, labels, keys = embeddings.features, embeddings.labels, embeddings.keys
    sizes = {len(features), len(keys), *map(len, embeddings.vectors.values())}
    if features.ndim not in (2, 3) or len(sizes) > 1:
        raise InputError(
            f"{path}: features {features.shape}, labels {labels.shape} and {len(keys)} keys do "
            f"not fit together; {advice}"
        )
    hashes = embeddings.hashes
    if hashes is not None and (hashes.shape[1:] != (32,) or hashes.dtype != np.uint8):
        raise InputError(f"{path}: hashes are {hashes.dtype} {hashes.shape}, not SHA-256; {advice}")
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


def _digest(embeddings: Embeddings, meta: str) -> str:
    features = embeddings.features
    digest = hashlib.sha256(meta.encode())
    digest.update(f"{features.dtype}{features.shape}".encode())
    digest.update(np.ascontiguousarray(features).data)
    return _finished(digest, embeddings.vectors.values(), embeddings.keys)


def _finished(digest: Any, vectors: Iterable[NDArray[Any]], keys: Sequence[str]) -> str:
    for vector in vectors:
        digest.update(f"{vector.dtype}{vector.shape}".encode())
        digest.update(np.ascontiguousarray(vector).data)
    digest.update("\0".join(keys).encode())
    return str(digest.hexdigest())


def _block_rows(features: NDArray[Any]) -> int:
    """Rows that are stored and checked at once: fewer where a row holds many patches."""
    return max(1, ROWS_PER_CHUNK // (features.shape[1] if features.ndim == 3 else 1))


def disagreement(one: Mapping[str, Any], other: Mapping[str, Any]) -> str | None:
    """In what two encoders differ that embed differently, by what both record of themselves."""
    for key in ENCODING:
        if key in one and key in other and sha256_json(one[key]) != sha256_json(other[key]):
            return key  # JSON makes lists of tuples
    return None


def normalised(raw: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Split (..., d) embeddings into rows of unit length and their (...) lengths."""
    norms = np.linalg.norm(raw, axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return raw / norms[..., None], norms


def hash_rows(hashes: Sequence[str]) -> NDArray[np.uint8]:
    """N SHA-256 in hex as (N, 32) bytes."""
    return np.frombuffer(bytes.fromhex("".join(hashes)), np.uint8).reshape(-1, 32)


def concatenate(parts: Sequence[NDArray[Any]], dimension: int, dtype: str) -> NDArray[Any]:
    """Join feature blocks; no block gives a (0, d) array."""
    if not parts:
        return np.zeros((0, dimension), dtype=dtype)
    return np.concatenate(parts).astype(dtype, copy=False)
