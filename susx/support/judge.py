"""Choosing among downloaded images by their embeddings."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from susx.core.errors import InputError
from susx.embeddings.cache import Embeddings, disagreement, read_cache
from susx.embeddings.text_classifier import text_classifier
from susx.manifests.classes import ClassManifest
from susx.manifests.tables import SupportRecord, Table
from susx.support.account import DISAGREES, OUTRANKED
from susx.support.duplicates import Originals
from susx.support.strategies import Selection, ordered_candidates

if TYPE_CHECKING:
    from susx.config.encoders import EncoderSettings

ClassVectors = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Judge:
    """Keeps the best of the images that were downloaded.

    Attributes:
        embed: function of a support set and its tar that embeds its images.
        selection: how many of every class are kept, and how they are chosen.
        ranking: (C, d) text classifier whose cosines rank the images anew; None leaves the ranks.
        agreeing: (C, d) text classifier for choices that ask it.
    """

    embed: Callable[[Table, Path], Embeddings]
    selection: Selection
    ranking: ClassVectors | None = None
    agreeing: ClassVectors | None = None

    def judged(self, table: Table, images: Path) -> list[SupportRecord]:
        """Records of a support set, of which more images are kept than wanted, judged."""
        found = self.embed(table, images)
        rows = dict(zip(found.keys, found.features.astype(np.float64), strict=True))
        kept: dict[int, list[SupportRecord]] = defaultdict(list)
        for record in table.records:
            if record.kept:
                kept[record.label].append(record)
        judged = {
            record.key: record
            for label, own in kept.items()
            for record in self._judged_class(label, own, rows)
        }
        return [judged.get(record.key, record) for record in table.records]

    def _judged_class(
        self, label: int, own: list[SupportRecord], rows: dict[str, NDArray[np.float64]]
    ) -> Iterator[SupportRecord]:
        if self.ranking is not None:
            scores = {r.key: float(rows[r.key] @ self.ranking[label]) for r in own}
            own = [replace(record, score=scores[record.key]) for record in own]
            own.sort(key=lambda record: (-record.score, record.key))
        features = np.stack([rows[record.key] for record in own])
        choice = ordered_candidates(features, label, self.agreeing, self.selection)
        originals = Originals(self.selection.max_cosine)
        for place in choice.order + choice.refused:
            reason = originals.admit(
                "",
                features[place],
                room=self.selection.size,
                doubt=DISAGREES if place in choice.refused else "",
                full=OUTRANKED,
            )
            yield replace(own[place], kept=not reason, reason=reason)


def judge(
    encoder: EncoderSettings,
    selection: Selection,
    classes: ClassManifest,
    threads: int,
    ranking: str | Path | None = None,
    agreeing: str | Path | None = None,
) -> Judge:
    """A judge that embeds images with an encoder.

    Args:
        encoder: its settings.
        selection: how many of every class are kept, and how they are chosen.
        classes: class manifest.
        threads: images preprocessed at the same time.
        ranking: cache of the texts whose cosines rank the images anew, if they do.
        agreeing: cache of the texts that choices ask, if they do.

    Raises:
        InputError: if a cache is broken or foreign, or, when images are embedded, was embedded
            with another encoder.
    """
    caches = {path: read_cache(path, classes.sha256, len(classes))
              for path in (ranking, agreeing) if path is not None}  # fmt: skip
    weights = {
        path: text_classifier(cache, classes.names).weights for path, cache in caches.items()
    }

    def embed(table: Table, images: Path) -> Embeddings:
        from susx.embeddings.embed import embed_support

        with TemporaryDirectory() as folder:
            made = Path(folder, "support.h5")
            embed_support(encoder, table, images, made, threads)
            found = read_cache(made)
        for path, cache in caches.items():
            if key := disagreement(found.encoder, cache.encoder):
                raise InputError(
                    f"{path}: embedded with another encoder ({key} differs); delete it and run "
                    "again"
                )
        return found

    return Judge(
        embed,
        selection,
        None if ranking is None else weights[ranking],
        None if agreeing is None else weights[agreeing],
    )
