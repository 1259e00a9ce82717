"""Text classifiers: the texts of a prompt strategy, averaged over each class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from susx.cache import Embeddings, read_cache
from susx.errors import InputError
from susx.manifests import ClassManifest


@dataclass(frozen=True)
class TextClassifier:
    """The texts of a prompt strategy, averaged over each class.

    Attributes:
        weights: (C, d) float32 unit rows W, the normalised means of unit rows.
        means: (C, d) float32 means of unit rows.
        raw: (C, d) float32 means of the embeddings before normalisation, where they are known.
    """

    weights: NDArray[np.float32]
    means: NDArray[np.float32]
    raw: NDArray[np.float32] | None = None


def text_classifier(embeddings: Embeddings, classes: Sequence[str]) -> TextClassifier:
    """Average the texts of every class.

    Raises:
        InputError: if a class has no row.
    """
    n_classes = len(classes)
    absent = np.setdiff1d(np.arange(n_classes), embeddings.labels)
    if len(absent):
        raise InputError(
            f'class "{classes[absent[0]]}" has no text embedding; rebuild the text cache'
        )
    rows = embeddings.features.astype(np.float64)
    means = _class_means(rows, embeddings.labels, n_classes)
    weights = means / np.linalg.norm(means, axis=1, keepdims=True)
    raw: NDArray[np.float32] | None = None
    if embeddings.norms is not None:
        lengths = embeddings.norms[:, None]
        raw = _class_means(rows * lengths, embeddings.labels, n_classes).astype(np.float32)
    return TextClassifier(weights.astype(np.float32), means.astype(np.float32), raw)


def read_classifier(path: str | Path, classes: ClassManifest) -> TextClassifier:
    """Average the texts of a cache over each class.

    Raises:
        InputError: if the cache is broken, foreign, or lacks a class.
    """
    return text_classifier(read_cache(path, classes.sha256, len(classes)), classes.names)


def _class_means(
    rows: NDArray[np.float64], labels: NDArray[np.int32], n_classes: int
) -> NDArray[np.float64]:
    sums = np.zeros((n_classes, rows.shape[1]))
    np.add.at(sums, labels, rows)
    means: NDArray[np.float64] = sums / np.bincount(labels, minlength=n_classes)[:, None]
    return means
