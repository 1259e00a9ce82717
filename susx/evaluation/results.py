"""From caches to results/{dataset}.json: reading, evaluating and collating."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from susx.core.errors import InputError
from susx.core.provenance import PACKAGES, made_with
from susx.embeddings.cache import Embeddings, disagreement
from susx.evaluation.arrays import EncoderData
from susx.evaluation.inputs import CacheFiles, read_caches
from susx.evaluation.leakage import NearDuplicate
from susx.evaluation.protocol import EvaluationPlan, evaluate
from susx.evaluation.schema import SCHEMA, Result
from susx.manifests.classes import ClassManifest
from susx.manifests.tables import Table
from susx.methods import METHODS, Method
from susx.prompts.strategies import PromptSet


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


def collate(
    dataset: str,
    classes: ClassManifest,
    prompts: Sequence[PromptSet],
    parts: Sequence[Mapping[str, Any]],
    provenance: Mapping[str, Any],
) -> dict[str, Any]:
    """Join the evaluations of all encoders into a validated result.

    Args:
        dataset: its name.
        classes: its class manifest.
        prompts: its texts, but those of published features.
        parts: what `evaluate_caches` returned, one per encoder.
        provenance: what else is to be said of the making.

    Raises:
        InputError: if the parts are of other classes, images, support sets or texts than one
            another.
    """
    _check_parts(classes, parts)
    first = parts[0]
    sources = {texts.strategy: texts.provenance for texts in prompts}
    rows = {
        kind: [row for part in parts for row in part[kind]] for kind in ("runs", "skipped", "seeds")
    }
    result = {
        "schema": SCHEMA,
        "dataset": dataset,
        "classes": classes.names,
        "prompt_names": {c.name: c.prompt_name for c in classes if c.name != c.prompt_name},
        "n_classes": len(classes),
        "n_test": first["images"]["test"]["n_read"],
        "n_validation": first["images"].get("validation", {"n_read": 0})["n_read"],
        "images": first["images"],
        "texts": {
            name: {"n": n, "sources": sources.get(name, {})} for name, n in first["texts"].items()
        },
        "supports": first["supports"],
        "encoders": {part["encoder"]: part["provenance"] for part in parts},
        "methods": {
            name: {"paper": METHODS[name].paper, "units": _units(METHODS[name])}
            for name in dict.fromkeys(row["method"] for row in rows["runs"] + rows["skipped"])
        },
        "provenance": {**provenance, "classes_sha256": classes.sha256, **_common(parts)},
        **rows,
    }
    Result.model_validate(result)
    return result


def _units(method: Method) -> dict[str, str]:
    return {name: "logits" if axis.scaled else "1" for name, axis in method.grid.items()}


def _check_parts(classes: ClassManifest, parts: Sequence[Mapping[str, Any]]) -> None:
    """Evaluations of one dataset have the same classes, images, support sets and texts."""
    first, name = _identity(parts[0]), parts[0]["encoder"]
    if first["class lists"] != classes.sha256:
        raise InputError(
            f"{name}: evaluated with another class list; delete its evaluation and run again"
        )
    for part in parts[1:]:
        own = _identity(part)
        for what in first | own:
            if first.get(what) != own.get(what):
                raise InputError(
                    f"{name} and {part['encoder']}: evaluated with different {what}; delete both "
                    "evaluations and run again"
                )


def _identity(part: Mapping[str, Any]) -> dict[str, Any]:
    """What the evaluations of all encoders must have in common, by its name in messages."""
    made = part["provenance"]
    return {
        "class lists": made.get("classes_sha256"),
        **made["inputs"],
        **{f"counts of images-{split}": counts for split, counts in part["images"].items()},
        **{f"counts of support-{name}": counts for name, counts in part["supports"].items()},
    }


def _common(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What made the parts, as of one: what differs is joined; of several commits it is none."""
    made = [part["provenance"] for part in parts]

    def joined(values: Iterable[str]) -> str:
        return " / ".join(dict.fromkeys(values))

    commits = {one["git_commit"] for one in made}
    return {
        "git_commit": commits.pop() if len(commits) == 1 else None,
        "versions": {name: joined(one["versions"][name] for one in made) for name in PACKAGES},
        "python": joined(one["python"] for one in made),
        "machine": joined(one["machine"] for one in made),
    }


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
