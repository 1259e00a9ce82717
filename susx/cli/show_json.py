"""What a file of the pipeline holds, as plain values for programs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from susx.cli.show import read_predictions, require_shown
from susx.cli.show_intermediate import (
    is_predictions,
    json_facts,
    other_kind,
    parquet_format,
    read_kind,
    table_facts,
)

KIND = "kind"
"""Key of what a file is, beside `file`; the other keys depend on it."""


def shown_object(path: Path, rows: int | None = None) -> dict[str, Any]:
    """What a file holds as one object: its path as `file`, its `kind`, and what that has.

    A result has `result`, a classifier `classifier`, predictions `meta` and `predictions`, all as
    in their files and checked; an embedding cache its shapes and `meta`, others their facts.

    Args:
        path: the file, of a kind that `show` takes.
        rows: rows of a table of images, at most; all if left out.

    Raises:
        InputError: if the file is none of the pipeline, or broken.
    """
    require_shown(path)
    kinds = {".json": _json, ".safetensors": _classifier, ".parquet": _table, ".h5": _cache}
    other = other_kind(path)
    held = {KIND: other} if other else kinds[path.suffix](path, rows)
    return {"file": str(path), **held}


def _json(path: Path, rows: int | None) -> dict[str, Any]:
    from susx.evaluation.schema import read_result

    data, is_result = read_kind(path)
    if is_result:
        return {KIND: "result", "result": read_result(path).model_dump(mode="json", by_alias=True)}
    title, facts = json_facts(path, data)
    return {KIND: title, "facts": dict(facts)}


def _classifier(path: Path, rows: int | None) -> dict[str, Any]:
    from susx.classifier.file import read_classifier_meta

    return {
        KIND: "classifier",
        "classifier": read_classifier_meta(path).model_dump(mode="json", by_alias=True),
    }


def _table(path: Path, rows: int | None) -> dict[str, Any]:
    form = parquet_format(path)
    if not is_predictions(form):
        title, facts = table_facts(path, form)
        return {KIND: title, "facts": dict(facts)}
    table = read_predictions(path)
    said = [
        {"image": record.key, "reason": record.reason}
        if record.reason
        else {
            "image": record.key,
            "classes": [
                {"name": name, "probability": share}
                for name, share in zip(record.names, record.probabilities, strict=True)
            ],
            "support_keys": list(record.support_keys),
        }
        for record in table.records[:rows]
    ]
    return {KIND: "predictions", "meta": dict(table.meta), "predictions": said}


def _cache(path: Path, rows: int | None) -> dict[str, Any]:
    from susx.embeddings.cache import read_cache

    cache = read_cache(path)
    return {
        KIND: "embedding cache",
        "shape": list(cache.features.shape),
        "dtype": str(cache.features.dtype),
        "meta": dict(cache.meta),
    }
