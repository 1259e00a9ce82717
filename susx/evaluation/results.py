"""From caches to the evaluation of one encoder: reading, evaluating and counting."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from susx.core.provenance import made_with
from susx.embeddings.cache import Embeddings, disagreement
from susx.evaluation.arrays import EncoderData
from susx.evaluation.files import CacheFiles
from susx.evaluation.inputs import read_caches
from susx.evaluation.leakage import NearDuplicate
from susx.evaluation.protocol import EvaluationPlan, evaluate
from susx.manifests.classes import ClassManifest
from susx.manifests.tables import Table


def evaluate_caches(
    encoder: str,
    files: CacheFiles,
    plan: EvaluationPlan,
    notify: Callable[[str], None],
    model: str | None = None,
    device: str = "cpu",
) -> dict[str, Any]:
    """Evaluate one encoder from its caches.

    Returns:
        Runs, image and support counts, input hashes, and the code, packages and machine that
        computed them, as JSON-ready data.

    Raises:
        InputError: if a file is broken, foreign, or was embedded with another encoder.
    """
    caches = read_caches(encoder, files)
    classes, texts, images, supports = caches.classes, caches.texts, caches.images, caches.supports
    data = caches.opened(encoder, plan.leaks, device)
    leaks, dropped = caches.leaks, plan.leaks == "drop"
    if not dropped:
        data = replace(data, leaked={name: _places(data, name, leaks[name]) for name in supports})
    return {
        "encoder": encoder,
        **asdict(evaluate(data, plan, notify)),
        "images": {
            name: _image_counts(cache, caches.listed.get(name), classes)
            for name, cache in images.items()
        },
        "texts": {name: len(cache) for name, cache in texts.items()},
        "supports": {
            name: _support_counts(cache, caches.chosen.get(name), classes)
            | _origin(name, caches.chosen.get(name), plan)
            | _leak_counts(leaks[name], dropped)
            for name, cache in supports.items()
        },
        "provenance": {
            **images["test"].meta["encoder"],
            **({"model": model} if model else {}),
            **_text_encoder(images["test"], next(iter(texts.values()), images["test"])),
            "logit_scale": data.logit_scale,
            "device": device,
            "sources": {name: _source(table) for name, table in caches.listed.items()},
            "inputs": caches.input_hashes,
            "texts_truncated": {name: cache.meta["n_truncated"] for name, cache in texts.items()},
            "manifests": caches.manifest_hashes,
            "classes_sha256": classes.sha256,
            **made_with(),
        },
    }


def _places(data: EncoderData, support: str, leaks: Sequence[NearDuplicate] | None) -> Tensor:
    """(M,) which images of a support set are leaked."""
    part, keys = data.supports[support], {leak.key for leak in leaks or ()}
    return torch.tensor([key in keys for key in part.keys], device=part.labels.device)


def _image_counts(cache: Embeddings, table: Table | None, classes: ClassManifest) -> dict[str, Any]:
    records = table.records if table else []
    listed = {record.key: record.reason for record in records if record.reason}
    unreadable = {**listed, **cache.meta["failed"]}
    counts = np.bincount(cache.labels, minlength=len(classes)).tolist()
    return {
        "n_read": len(cache),
        "n_per_class": counts,
        "n_unreadable": len(unreadable),
        "unreadable": unreadable,
        "classes_without_images": [
            name for name, n in zip(classes.names, counts, strict=True) if len(cache) and not n
        ],
    }


def _source(table: Table) -> str | None:
    """Which source the images of a manifest were listed from, and where it was downloaded from."""
    return " of ".join(table.meta[k] for k in ("source", "address") if k in table.meta) or None


def _origin(support: str, table: Table | None, plan: EvaluationPlan) -> dict[str, Any]:
    entry, seed = plan.seeds.get(support, (support, None))
    source = next((r.source for r in table.records), "") if table else "published features"
    return {"entry": entry, "seed": seed, "source": source}


def _support_counts(
    cache: Embeddings, table: Table | None, classes: ClassManifest
) -> dict[str, Any]:
    """Counts of a support set; those of a published one are all that its features tell."""
    if table:
        return table.meta
    counts = np.bincount(cache.labels, minlength=len(classes)).tolist()
    size = max(counts)
    return {
        "size": size,
        "n_candidates": len(cache),
        "n_kept": len(cache),
        "fates": {"kept": len(cache)},
        "failed": {},
        "classes": {
            name: {"kept": count} for name, count in zip(classes.names, counts, strict=True)
        },
        "short_classes": {
            name: count for name, count in zip(classes.names, counts, strict=True) if count < size
        },
    }


def _leak_counts(leaks: Sequence[NearDuplicate] | None, dropped: bool) -> dict[str, Any]:
    listed = None if leaks is None else [asdict(leak) for leak in leaks]
    return {"leaks": listed, "leaks_dropped": dropped and bool(leaks)}


def _text_encoder(images: Embeddings, texts: Embeddings) -> dict[str, Any]:
    """Say so if texts were embedded by what is only believed to have embedded the images."""
    differs = disagreement(texts.encoder, images.encoder)
    return {"text_encoder": texts.encoder} if differs else {}
