"""Text classifiers: the texts of a prompt strategy, averaged over each class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from susx.cache import Embeddings
from susx.errors import InputError


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


def _class_means(
    rows: NDArray[np.float64], labels: NDArray[np.int32], n_classes: int
) -> NDArray[np.float64]:
    sums = np.zeros((n_classes, rows.shape[1]))
    np.add.at(sums, labels, rows)
    means: NDArray[np.float64] = sums / np.bincount(labels, minlength=n_classes)[:, None]
    return means
