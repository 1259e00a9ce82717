"""Near duplicates by perceptual hash: within a support set, and between it and the test images.

A fingerprint is the sign pattern of an image's 16 x 16 lowest frequencies (pHash; Zauner 2010).
Two images are near duplicates if at most `MAX_DISTANCE` of its 256 bits differ: recompressed,
resized or brightened copies do by fewer, different photos by more, even of one striped flag
(`python -m tests.benchmarks.bench_duplicates`). Cropped or mirrored copies are not found by it, but
may be by their embeddings, whose cosine is then close to one; how close depends on the encoder.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.Image import Image

HASH_SIZE = 16
MAX_DISTANCE = 48
BLOCK = 4096


@dataclass(frozen=True)
class Pair:
    """Indices of two near duplicates, and the number of bits in which they differ."""

    first: int
    second: int
    distance: int


def fingerprint(image: Image) -> str:
    """Perceptual hash of an image: 256 bits in hexadecimal digits."""
    import imagehash

    return str(imagehash.phash(image, hash_size=HASH_SIZE))


def distance(first: str, second: str) -> int:
    """Number of bits in which two fingerprints differ; all of them if one is unknown (empty)."""
    if not (first and second):
        return HASH_SIZE**2
    return (int(first, 16) ^ int(second, 16)).bit_count()


class Originals:
    """The images of a class kept so far, which later ones must not repeat.

    Embeddings are compared where `max_cosine` is given: a larger cosine tells a near duplicate.
    """

    def __init__(self, max_cosine: float | None = None) -> None:
        self._max_cosine = max_cosine
        self._looks: list[str] = []
        self._features: list[NDArray[np.floating[Any]]] = []

    def __len__(self) -> int:
        return len(self._looks)

    def repeated_by(self, look: str, feature: NDArray[np.floating[Any]] | None = None) -> bool:
        """Whether an image with this fingerprint and (d,) unit embedding is a near duplicate."""
        if any(distance(look, other) <= MAX_DISTANCE for other in self._looks):
            return True
        if self._max_cosine is None or feature is None or not self._features:
            return False
        return bool((np.stack(self._features) @ feature).max() > self._max_cosine)

    def add(self, look: str, feature: NDArray[np.floating[Any]] | None = None) -> None:
        """Keep an image."""
        self._looks.append(look)
        if feature is not None:
            self._features.append(feature)


def nearest(first: Sequence[str], second: Sequence[str]) -> list[Pair]:
    """For every fingerprint of `first` its nearest of `second`, if they are near duplicates.

    Ties go to the smaller index; unknown (empty) fingerprints match nothing.
    """
    known = [index for index, value in enumerate(second) if value]
    pairs = []
    if not known:
        return []
    bits, counts = _bits([second[index] for index in known])
    rows = [index for index, value in enumerate(first) if value]
    for start in range(0, len(rows), BLOCK):
        block = rows[start : start + BLOCK]
        own, own_counts = _bits([first[index] for index in block])
        distances = own_counts[:, None] + counts - 2 * own @ bits.T
        best = distances.argmin(axis=1)
        for index, place, value in zip(block, best, distances.min(axis=1), strict=True):
            if value <= MAX_DISTANCE:
                pairs.append(Pair(index, known[place], int(value)))
    return pairs


def _bits(values: Sequence[str]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(N, 256) zeros and ones, and (N,) numbers of ones."""
    packed = np.frombuffer(bytes.fromhex("".join(values)), np.uint8).reshape(len(values), -1)
    bits = np.unpackbits(packed, axis=1).astype(np.float32)
    return bits, bits.sum(axis=1)
