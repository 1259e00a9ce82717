"""From caches to results/{dataset}.json: reading, evaluating and collating."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from susx.cache import Embeddings
from susx.cache_files import CacheFiles, leaks_of, read_caches, without
from susx.evaluation import EncoderData, Plan, evaluate
from susx.manifests import ClassManifest, Table
from susx.schema import SCHEMA, Result
from susx.support.leakage import Leak
from susx.text_classifier import text_classifier

PACKAGES = ("susx", "torch", "transformers", "numpy", "h5py", "pillow", "snakemake")


def evaluate_caches(
    encoder: str, files: CacheFiles, plan: Plan, notify: Callable[[str], None]
) -> dict[str, Any]:
    """Evaluate one encoder from its caches.

    Returns:
        Runs, image and support counts and input hashes, as JSON-ready data.

    Raises:
        InputError: if a file is broken, foreign, or was embedded with another encoder.
    """
    caches = read_caches(encoder, files)
    classes, texts, images, supports = caches.classes, caches.texts, caches.images, caches.supports
    labelled = {
        name: caches.labelled(name)
        for name, cache in images.items()
        if len(cache) or name == "test"
    }
    leaks = {name: leaks_of(caches, name) for name in supports}
    dropped = plan.leaks == "drop"
    data = EncoderData(
        name=encoder,
        classes=classes.names,
        logit_scale=caches.logit_scale,
        texts={name: text_classifier(cache, classes.names) for name, cache in texts.items()},
        supports={
            name: without(cache, leaks[name] if dropped else None)
            for name, cache in supports.items()
        },
        test=labelled["test"],
        validation=labelled.get(plan.tuning.validation_split),
        leaked={
            name: np.isin(cache.keys, [leak.key for leak in leaks[name] or ()])
            for name, cache in supports.items()
            if not dropped
        },
    )
    return {
        "encoder": encoder,
        **asdict(evaluate(data, plan, notify)),
        "images": {
            name: _image_counts(cache, caches.listed.get(name)) for name, cache in images.items()
        },
        "supports": {
            name: _support_counts(cache, caches.chosen.get(name), classes)
            | _leak_counts(leaks[name], dropped)
            for name, cache in supports.items()
        },
        "provenance": {
            **images["test"].meta["encoder"],
            **_text_encoder(images["test"], next(iter(texts.values()), images["test"])),
            "logit_scale": data.logit_scale,
            "device": plan.device,
            "sources": {name: _source(table) for name, table in caches.listed.items()},
            "inputs": caches.input_hashes,
            "texts_truncated": {name: cache.meta["n_truncated"] for name, cache in texts.items()},
        },
    }


def collate(
    dataset: str,
    classes: ClassManifest,
    parts: Sequence[Mapping[str, Any]],
    provenance: Mapping[str, Any],
) -> dict[str, Any]:
    """Join the evaluations of all encoders into a validated result."""
    first = parts[0]
    result = {
        "schema": SCHEMA,
        "dataset": dataset,
        "n_classes": len(classes),
        "n_test": first["images"]["test"]["n_read"],
        "n_validation": first["images"].get("validation", {"n_read": 0})["n_read"],
        "images": first["images"],
        "supports": first["supports"],
        "provenance": {
            **provenance,
            "classes_sha256": classes.sha256,
            "encoders": {part["encoder"]: part["provenance"] for part in parts},
            "git_commit": git_commit(),
            "versions": {name: version(name) for name in PACKAGES},
            "python": platform.python_version(),
            "machine": f"{platform.system()} {platform.machine()}",
        },
        **{
            kind: [row for part in parts for row in part[kind]]
            for kind in ("runs", "skipped", "seeds")
        },
    }
    Result.model_validate(result)
    return result


def git_commit() -> str | None:
    """Commit of the working tree that this package lies in, `+` if it was edited, else None."""
    try:
        import git
    except ImportError:  # raised where the git program is missing
        return None
    try:
        repository = git.Repo(Path(__file__).parent, search_parent_directories=True)
        return repository.head.commit.hexsha + ("+" if repository.is_dirty() else "")
    except (git.exc.GitError, ValueError, OSError):
        return None


def _image_counts(cache: Embeddings, table: Table | None) -> dict[str, Any]:
    records = table.records if table else []
    listed = {record.key: record.reason for record in records if record.reason}
    unreadable = {**listed, **cache.meta["failed"]}
    return {
        "n_read": len(cache),
        "n_unreadable": len(unreadable),
        "unreadable": unreadable,
    }


def _source(table: Table) -> str | None:
    """Which source the images of a manifest were listed from, and where it was downloaded from."""
    return " of ".join(table.meta[k] for k in ("source", "address") if k in table.meta) or None


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
        "n_kept": len(cache),
        "n_duplicates": 0,
        "n_unreadable": 0,
        "short_classes": {
            name: count for name, count in zip(classes.names, counts, strict=True) if count < size
        },
    }


def _leak_counts(leaks: Sequence[Leak] | None, dropped: bool) -> dict[str, Any]:
    listed = None if leaks is None else [asdict(leak) for leak in leaks]
    return {"leaks": listed, "leaks_dropped": dropped and bool(leaks)}


def _text_encoder(images: Embeddings, texts: Embeddings) -> dict[str, Any]:
    """Say so if texts were embedded by what is only believed to have embedded the images."""
    encoder = texts.meta["encoder"]
    return {} if encoder == images.meta["encoder"] else {"text_encoder": encoder}
