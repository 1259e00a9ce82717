"""Near duplicates by perceptual hash: within a support set, and between it and the test images.

A fingerprint is the sign pattern of an image's 16 x 16 lowest frequencies (pHash; Zauner 2010).
Two images are near duplicates if at most `MAX_DISTANCE` of its 256 bits differ: recompressed,
resized or brightened copies do by fewer, different photos by more, even of one striped flag
(`python -m tests.benchmarks.bench_duplicates`). Cropped or mirrored copies are not found by it, but
may be by their embeddings, whose cosine is then close to one; how close depends on the encoder.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from susx.images.fingerprints import MAX_DISTANCE, distance
from susx.support.account import DUPLICATE, SURPLUS


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

    def admit(
        self,
        look: str,
        feature: NDArray[np.floating[Any]] | None = None,
        *,
        room: int,
        doubt: str = "",
        full: str = SURPLUS,
    ) -> str:
        """Keep an image unless something speaks against it.

        Args:
            look: its fingerprint.
            feature: its (d,) unit embedding, where embeddings are looked at.
            room: images of the class that are kept at most.
            doubt: what speaks against it if it is no near duplicate.
            full: what does if there is no room.

        Returns:
            What speaks against it; nothing if it is kept.
        """
        if self.repeated_by(look, feature):
            return DUPLICATE
        if doubt or len(self) == room:
            return doubt or full
        self.add(look, feature)
        return ""

    def add(self, look: str, feature: NDArray[np.floating[Any]] | None = None) -> None:
        """Keep an image."""
        self._looks.append(look)
        if feature is not None:
            self._features.append(feature)
