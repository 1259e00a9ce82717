"""Rows that earlier caches of the same encoder hold: an image is embedded once."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from susx.core.errors import InputError
from susx.embeddings.cache import Embeddings, disagreement, hash_rows, read_cache
from susx.embeddings.prepare import Item

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class KnownRows:
    """Rows by the SHA-256 of the image that they embed.

    Attributes:
        features: unit rows (d,), or (P, d) of patches.
        norms: lengths before normalisation; none for patches.
        meta: what the caches that hold them say of their encoder.
    """

    features: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    norms: Mapping[str, np.float32] = field(default_factory=dict)
    meta: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, caches: Iterable[Path], wanted: set[str]) -> KnownRows:
        """Look for rows in caches, until all are found.

        Args:
            caches: embedded by the same encoder with the same settings; damaged ones are left out.
            wanted: hashes of images.
        """
        features: dict[str, NDArray[Any]] = {}
        norms: dict[str, np.float32] = {}
        digests = _strings(hash_rows(sorted(wanted)))
        meta: dict[str, Any] = {}
        for path in caches:
            if len(features) == len(wanted):
                break
            try:
                cache = read_cache(path)
            except InputError:
                continue
            if cache.hashes is None or (meta and not _same(meta, cache.meta)):
                continue
            for row in np.flatnonzero(np.isin(_strings(cache.hashes), digests)).tolist():
                meta = meta or {key: cache.meta[key] for key in ABOUT_ENCODER}
                digest = cache.sha256(row)
                if digest not in features:
                    features[digest] = cache.features[row].copy()
                    if cache.norms is not None:
                        norms[digest] = cache.norms[row]
        if features:
            LOG.info("%d of %d images are embedded already", len(features), len(wanted))
        return cls(features, norms, meta)

    def __contains__(self, item: Item) -> bool:
        return item.seed is None and item.sha256 in self.features

    def fits(self, meta: Mapping[str, Any]) -> bool:
        """Whether an encoder, by its meta, is the one that embedded the rows, in equal packages."""
        return not self.meta or _same(self.meta, meta)

    def joined(self, items: Sequence[Item], made: Embeddings) -> Embeddings:
        """Put known rows between those that were made, in the order of the items.

        Args:
            items: of one part; those that could not be read have no row.
            made: rows of the items that are not known.
        """
        if not any(item in self for item in items):
            return made
        rows = {key: row for row, key in enumerate(made.keys)}
        kept = [item for item in items if item in self or item.key in rows]

        def pick(known: Mapping[str, Any], own: NDArray[Any]) -> NDArray[Any]:
            found = (known[i.sha256] if i in self else own[rows[i.key]] for i in kept)
            return np.stack(list(found)).astype(own.dtype)

        return Embeddings(
            features=pick(self.features, made.features),
            labels=np.array([item.label for item in kept], np.int32),
            keys=[item.key for item in kept],
            meta=made.meta,
            norms=None if made.norms is None else pick(self.norms, made.norms),
            hashes=hash_rows([item.sha256 for item in kept]),
        )


def _strings(hashes: NDArray[np.uint8]) -> NDArray[Any]:
    """(N, 32) bytes as N strings of NumPy, which leave zeros at their ends out of account."""
    return np.ascontiguousarray(hashes).view("S32").reshape(-1)


ABOUT_ENCODER = ("encoder", "logit_scale", "versions")


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    packages = [{**meta["versions"], "susx": None} for meta in (one, other)]
    return packages[0] == packages[1] and disagreement(one["encoder"], other["encoder"]) is None
