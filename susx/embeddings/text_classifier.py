"""Text classifiers: the texts of a prompt strategy, averaged over each class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from susx.core.errors import InputError
from susx.embeddings.cache import Embeddings, read_cache
from susx.encoders.protocol import SAME
from susx.manifests.classes import ClassManifest

ROWS_AT_ONCE = 4096  # 32 MB of d = 1024 in double precision
FEW = 1024
"""Rows all of which are compared: that takes less than the import of what finds pairs of more."""
SHOWN = 5  # pairs of classes in a message, as many as `susx.core.errors.listing` shows names


@dataclass(frozen=True)
class TextClassifier:
    """The texts of a prompt strategy, averaged over each class.

    Attributes:
        weights: (C, d) float32 unit rows W, the normalised means of unit rows.
        means: (C, d) float32 means of unit rows.
        raw: (C, d) float32 means of the embeddings before normalisation, where they are known.
        rows: (S, d) unit rows, the embeddings of all texts, as they are cached.
        labels: (S,) their classes.
    """

    weights: NDArray[np.float32]
    means: NDArray[np.float32]
    raw: NDArray[np.float32] | None = None
    rows: NDArray[np.floating[Any]] | None = None
    labels: NDArray[np.int32] | None = None


def text_classifier(embeddings: Embeddings, classes: Sequence[str]) -> TextClassifier:
    """Average the texts of every class.

    Raises:
        InputError: if a class has no row, texts that cancel out, or the vector of another class.
    """
    n_classes = len(classes)
    absent = np.setdiff1d(np.arange(n_classes), embeddings.labels)
    if len(absent):
        raise InputError(
            f'class "{classes[absent[0]]}" has no text embedding; rebuild the text cache'
        )
    of_classes = embeddings.features, embeddings.labels, n_classes
    means = _class_means(*of_classes)
    lengths = np.linalg.norm(means, axis=1, keepdims=True)
    if not (lengths > SAME).all():
        name = classes[int(np.argmin(lengths > SAME))]
        raise InputError(f'class "{name}": its texts cancel out or are not finite; change them')
    weights = means / lengths
    _check_distinct(weights, classes)
    raw: NDArray[np.float32] | None = None
    if embeddings.norms is not None:
        raw = _class_means(*of_classes, embeddings.norms).astype(np.float32)
    return TextClassifier(
        weights.astype(np.float32),
        means.astype(np.float32),
        raw,
        embeddings.features,
        embeddings.labels,
    )


def read_classifier(path: str | Path, classes: ClassManifest) -> TextClassifier:
    """Average the texts of a cache over each class.

    Raises:
        InputError: if the cache is broken, foreign, or lacks a class.
    """
    return text_classifier(read_cache(path, classes.sha256, len(classes)), classes.names)


def _class_means(
    rows: NDArray[np.floating[Any]],
    labels: NDArray[np.int32],
    n_classes: int,
    lengths: NDArray[np.float32] | None = None,
) -> NDArray[np.float64]:
    """Means (C, d) of the rows of every class, or of these times their lengths."""
    sums = np.zeros((n_classes, rows.shape[1]))
    for start in range(0, len(rows), ROWS_AT_ONCE):
        part = slice(start, start + ROWS_AT_ONCE)
        block = rows[part].astype(np.float64)
        if lengths is not None:
            block *= lengths[part, None]
        np.add.at(sums, labels[part], block)
    means: NDArray[np.float64] = sums / np.bincount(labels, minlength=n_classes)[:, None]
    return means


def same_rows(rows: NDArray[np.float64]) -> list[tuple[int, int]]:
    """Find (N, d) unit rows that are no further than `SAME` from another: pairs of indices.

    Every such row is in a pair, with the first that equals it or the one nearest to it.
    """
    if len(rows) <= FEW and _are_apart(rows):
        return []
    from scipy.spatial import KDTree

    # A tree of equal rows has one leaf, so that each would be compared with all.
    _, firsts, of = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    equal = [(int(first), i) for i, first in enumerate(firsts[of.ravel()]) if first != i]
    _, nearest = KDTree(rows[firsts]).query(rows[firsts], k=2, distance_upper_bound=SAME)
    near = (firsts[[i, j]] for i, pair in enumerate(nearest) for j in pair if j < len(firsts))
    return sorted({*equal, *((int(i), int(j)) for i, j in map(sorted, near) if i != j)})


def _are_apart(rows: NDArray[np.float64]) -> bool:
    """Whether (N, d) unit rows are all further than `SAME` from each other; False if in doubt."""
    squares = 2 - 2 * rows @ rows.T
    np.fill_diagonal(squares, np.inf)
    return bool(squares.min() > 2 * SAME**2)  # rounding moves it by 1e-9 of that


def _check_distinct(weights: NDArray[np.float64], classes: Sequence[str]) -> None:
    pairs = same_rows(weights)
    if pairs:
        named = "; ".join(f'"{classes[i]}" and "{classes[j]}"' for i, j in pairs[:SHOWN])
        more = f" and {len(pairs) - SHOWN} more pairs" if len(pairs) > SHOWN else ""
        raise InputError(
            f"classes with the same text vector: {named}{more}; the second of a pair would never "
            "be predicted. An encoder may read neither case nor punctuation, and long texts are "
            "cut: give them names or texts that differ otherwise"
        )
