"""Ranking downloaded images again, by the encoder that classifies with them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from susx.cache import read_cache
from susx.errors import InputError
from susx.manifests import ClassManifest, Table

if TYPE_CHECKING:
    from susx.config_encoders import Encoder
    from susx.support.download import Rerank


def reranker(encoder: Encoder, texts: str | Path, classes: ClassManifest, threads: int) -> Rerank:
    """Score images by their cosine with the mean text embedding of their class.

    Args:
        encoder: settings of the encoder.
        texts: cache of the texts of every class, by the same encoder.
        classes: class manifest.
        threads: images preprocessed at the same time.

    Returns:
        A function of a support manifest and its tar that gives the scores by key.
    """
    cache = read_cache(texts, classes.sha256, len(classes))

    def scores(table: Table, images: Path) -> Mapping[str, float]:
        from susx.embedding import embed_support

        found = embed_support(encoder, table, images, threads)
        if found.meta["encoder"]["weights_sha256"] != cache.meta["encoder"]["weights_sha256"]:
            raise InputError(f"{texts}: embedded with other weights; delete it and run again")
        means = np.zeros((len(classes), cache.features.shape[1]))
        np.add.at(means, cache.labels, cache.features.astype(np.float64))
        means /= np.linalg.norm(means, axis=1, keepdims=True)
        cosines = (found.features.astype(np.float64) * means[found.labels]).sum(axis=1)
        return dict(zip(found.keys, cosines.tolist(), strict=True))

    return scores
