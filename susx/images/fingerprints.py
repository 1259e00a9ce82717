"""Perceptual hashes of images, and near copies by them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
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


def nearest_duplicates(first: Sequence[str], second: Sequence[str]) -> list[Pair]:
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
    import numpy as np  # which planning does without

    packed = np.frombuffer(bytes.fromhex("".join(values)), np.uint8).reshape(len(values), -1)
    bits = np.unpackbits(packed, axis=1).astype(np.float32)
    return bits, bits.sum(axis=1)
