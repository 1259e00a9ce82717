"""Images that a caller gives, embedded in memory."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from susx.config.encoders import EncoderSettings
from susx.core.compute import pick_device
from susx.embeddings.cache import concatenate, normalised
from susx.embeddings.prepare import ImageSource, Item, prepared
from susx.encoders.protocol import Encoder


@dataclass(frozen=True)
class EmbeddedImages:
    """What an encoder makes of N images, of which n can be read.

    Attributes:
        features: (n, d) unit rows, as they are cached.
        norms: (n,) their lengths before normalisation.
        patches: (n, P, d) float16 unit rows, if they were wanted and there is an image.
        reasons: N texts, why an image cannot be read, else empty.
    """

    features: NDArray[np.floating[Any]]
    norms: NDArray[np.float32]
    patches: NDArray[np.float16] | None
    reasons: list[str]


def embedded(
    sources: Sequence[ImageSource],
    encoder: Encoder,
    settings: EncoderSettings,
    patches: bool = False,
    batch_size: int | None = None,
    threads: int | None = None,
) -> EmbeddedImages:
    """Embed images.

    Args:
        sources: N images.
        encoder: loaded from the settings.
        settings: how images are decoded, and in which batches.
        patches: whether patches are embedded, too.
        batch_size: images per forward pass; that of the settings if left out.
        threads: images decoded at the same time; one per processor if left out.
    """
    size, workers = batch_size or settings.batch_size, threads or os.cpu_count() or 1
    items = [Item(str(place), -1, "", image) for place, image in enumerate(sources)]
    batches = ((items[start : start + size],) * 2 for start in range(0, len(items), size))
    reasons, rows, lengths, parts = list[str](), list[Any](), list[Any](), list[Any]()
    overlap = pick_device(settings.device) == "cuda"
    how = settings.jpeg_draft, settings.upright
    for shown, batch in prepared(batches, encoder, workers, overlap, *how):
        reasons += [batch.failed.get(item.key, "") for item in shown]
        if batch.pixels is not None:
            unit, norms = normalised(encoder.encode_images(batch.pixels).numpy())
            rows.append(unit)
            lengths.append(norms)
            if patches:
                unit, _ = normalised(encoder.encode_patches(batch.pixels).numpy())
                parts.append(unit.astype(np.float16))  # as they are cached
    return EmbeddedImages(
        concatenate(rows, encoder.dim, settings.store),
        np.concatenate([np.empty(0, np.float32), *lengths]),
        np.concatenate(parts) if parts else None,
        reasons,
    )
