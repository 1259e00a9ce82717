"""Rows of a result as CLIP_benchmark writes them, for tables that read its files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from slugify import slugify

from susx.core.errors import InputError
from susx.core.files import write_json
from susx.evaluation.case import Case
from susx.evaluation.schema import Result, Run

TASK = "zeroshot_classification"


def benchmark_rows(result: Result) -> dict[str, dict[str, Any]]:
    """Every row of a result in the form of CLIP_benchmark, by the name of its file.

    Its own keys are `dataset`, `model`, `pretrained`, `task`, `metrics`, whose accuracies are
    shares, and `language`; the others say what it has no key for. A mean per class that is
    unknown is left out.
    """
    rows: dict[str, dict[str, Any]] = {}
    for run in result.runs:
        facts = result.encoders[run.encoder]
        metrics = {"acc1": run.top1, "acc5": run.top5, "mean_per_class_recall": run.mean_per_class}
        name = f"{slugify(f'{result.dataset} {run.encoder} {_case(run)}')}.json"
        if name in rows:
            raise InputError(f"{name}: names of two rows differ only in signs; rename one of them")
        rows[name] = {
            "dataset": result.dataset,
            "model": facts.model or run.encoder,
            "pretrained": facts.revision or facts.weights_sha256 or "",
            "task": TASK,
            "metrics": {key: value / 100 for key, value in metrics.items() if value is not None},
            "language": "en",
            **{key: getattr(run, key) for key in ("encoder", *Case.model_fields)},
            "tuned_on": run.tuned_on,
            "transductive": run.transductive,
            "assumes": run.assumes,
        }
    return rows


def write_benchmark_rows(result: Result, folder: Path) -> list[Path]:
    """Write one file per row into a folder; returns the files.

    Raises:
        InputError: if two rows would have one file.
    """
    rows = benchmark_rows(result)
    for name, row in rows.items():
        write_json(folder / name, row)
    return [folder / name for name in rows]


def _case(run: Run) -> str:
    parts = (run.method, run.text, run.drawn, run.protocol)
    return " ".join(part for part in parts if part)
