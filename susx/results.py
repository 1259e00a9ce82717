"""From caches to results/{dataset}.json: reading, evaluating, collating, and the result schema."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from susx.cache import Embeddings, class_means, read_cache
from susx.errors import InputError
from susx.evaluation import EncoderData, LabelledFeatures, Plan, evaluate
from susx.files import read_json, write_json
from susx.manifests import ClassManifest, ImageRecord, SupportRecord, read_table

SCHEMA = "susx-result-1"
PACKAGES = ("susx", "torch", "transformers", "numpy", "h5py", "pillow", "snakemake")

Percent = Annotated[float, Field(ge=0, le=100)]
Interval = Annotated[list[float], Field(min_length=2, max_length=2)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Difference(_Strict):
    """Paired difference of accuracies, in points."""

    reference: str
    mean: float
    ci95: Interval


class Run(_Strict):
    """One (encoder, method, text, support, protocol); accuracies in percent."""

    encoder: str
    method: str
    text: str
    support: str | None
    protocol: Literal["none", "fixed", "validation"]
    tuned_on: Literal["nothing", "validation", "test"]
    transductive: bool
    top1: Percent
    correct: int
    top5: Percent
    mean_per_class: Percent
    ci95: Interval
    delta_vs_zero_shot: Difference | None = None
    delta_vs_best_text: Difference | None = None
    hyperparameters: dict[str, float]
    validation_correct: int | None
    support_size: int
    per_class: list[Percent | None]
    seconds: float
    peak_mib: float


class ImageCounts(_Strict):
    """Images of a split that were read, and those that were not, with reasons."""

    n_read: int
    n_unreadable: int
    unreadable: dict[str, str]


class SupportCounts(_Strict):
    """What became of the candidates of a support set."""

    size: int
    n_kept: int
    n_duplicates: int
    n_unreadable: int
    short_classes: dict[str, int]


class Result(_Strict):
    """results/{dataset}.json."""

    schema_: Literal["susx-result-1"] = Field(alias="schema")
    dataset: str
    n_classes: int
    n_test: int
    n_validation: int
    images: dict[str, ImageCounts]
    supports: dict[str, SupportCounts]
    provenance: dict[str, Any]
    runs: list[Run]


@dataclass(frozen=True)
class CacheFiles:
    """Files of one encoder: caches by strategy, split and support; manifests by split, support.

    Published features have no manifests.
    """

    classes: str
    texts: Mapping[str, str]
    images: Mapping[str, str]
    image_manifests: Mapping[str, str]
    supports: Mapping[str, str]
    support_manifests: Mapping[str, str]


def evaluate_caches(
    encoder: str, files: CacheFiles, plan: Plan, notify: Callable[[str], None]
) -> dict[str, Any]:
    """Evaluate one encoder from its caches.

    Returns:
        Runs, image and support counts and input hashes, as JSON-ready data.

    Raises:
        InputError: if a file is broken, foreign, or was embedded with another encoder.
    """
    classes = ClassManifest.read(files.classes)

    def read(paths: Mapping[str, str]) -> dict[str, Embeddings]:
        return {
            name: read_cache(path, classes.sha256, len(classes)) for name, path in paths.items()
        }

    texts, images, supports = read(files.texts), read(files.images), read(files.supports)
    kinds = {"text": texts, "images": images, "support": supports}
    caches = {f"{kind}-{name}": c for kind, named in kinds.items() for name, c in named.items()}
    weights = {name: cache.meta["encoder"]["weights_sha256"] for name, cache in caches.items()}
    if len(set(weights.values()) - {None}) > 1:  # those of published features are unknown
        raise InputError(
            f"{encoder}: the caches of {', '.join(sorted(weights))} were embedded with different "
            "weights; delete them and run again"
        )
    data = EncoderData(
        name=encoder,
        logit_scale=next(iter(texts.values())).meta["logit_scale"],
        texts={name: class_means(cache, len(classes)) for name, cache in texts.items()},
        supports={name: _labelled(cache) for name, cache in supports.items()},
        test=_labelled(images["test"]),
        validation=_labelled(images["validation"]) if images.get("validation") else None,
    )
    return {
        "encoder": encoder,
        "runs": evaluate(data, plan, notify),
        "images": {
            name: _image_counts(cache, files.image_manifests.get(name), classes)
            for name, cache in images.items()
        },
        "supports": {
            name: _support_counts(cache, files.support_manifests.get(name), classes)
            for name, cache in supports.items()
        },
        "provenance": {
            **images["test"].meta["encoder"],
            **_text_encoder(images["test"], next(iter(texts.values()))),
            "logit_scale": data.logit_scale,
            "device": plan.device,
            "inputs": {name: cache.meta["input_sha256"] for name, cache in caches.items()},
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
        "runs": [run for part in parts for run in part["runs"]],
    }
    Result.model_validate(result)
    return result


def write_result(path: str | Path, result: Mapping[str, Any]) -> None:
    """Write a result; the file appears only when it is complete."""
    write_json(path, result)


def read_result(path: str | Path) -> Result:
    """Read and validate a result.

    Raises:
        InputError: if the file does not follow the schema, naming the first key that does not.
    """
    try:
        return Result.model_validate(read_json(path))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise InputError(f"{path}: not a {SCHEMA} file: {key}: {first['msg']}") from None


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


def _labelled(cache: Embeddings) -> LabelledFeatures:
    return LabelledFeatures(cache.features, cache.labels)


def _image_counts(
    cache: Embeddings, manifest: str | None, classes: ClassManifest
) -> dict[str, Any]:
    records = read_table(manifest, ImageRecord, classes.sha256).records if manifest else []
    listed = {record.key: record.reason for record in records if record.reason}
    unreadable = {**listed, **cache.meta["failed"]}
    return {
        "n_read": len(cache),
        "n_unreadable": len(unreadable),
        "unreadable": unreadable,
    }


def _support_counts(
    cache: Embeddings, manifest: str | None, classes: ClassManifest
) -> dict[str, Any]:
    """Counts of a support set; those of a published one are all that its features tell."""
    if manifest:
        return read_table(manifest, SupportRecord, classes.sha256).meta
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


def _text_encoder(images: Embeddings, texts: Embeddings) -> dict[str, Any]:
    """Say so if texts were embedded by what is only believed to have embedded the images."""
    encoder = texts.meta["encoder"]
    return {} if encoder == images.meta["encoder"] else {"text_encoder": encoder}
