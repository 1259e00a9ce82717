"""Results in the form of CLIP_benchmark: what its own tables read, and nothing lost."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from susx.cli import app
from susx.core.errors import InputError
from susx.core.files import write_json
from susx.evaluation.clip_benchmark import benchmark_rows
from susx.evaluation.schema import Result
from tests.made.result import full_result, result, run

ITS_KEYS = ["dataset", "model", "pretrained", "task", "metrics", "language"]
"""As in the files that it publishes."""


def test_every_row_is_a_file_of_its_own(tmp_path: Path) -> None:
    write_json(tmp_path / "pets.json", full_result())
    command = ["clip-benchmark", str(tmp_path / "pets.json"), str(tmp_path / "out")]
    done = CliRunner().invoke(app, command)
    found = Result.model_validate(full_result())
    assert done.stdout == f"{len(found.runs)} rows in {tmp_path / 'out'}\n"
    written = [json.loads(path.read_text("utf-8")) for path in (tmp_path / "out").iterdir()]
    assert len(written) == len(found.runs)
    keys = ("encoder", "method", "text", "support", "protocol", "seed", "tuned_on")
    by_case = {tuple(row[key] for key in keys): row for row in written}
    for row in found.runs:
        said = by_case[tuple(getattr(row, key) for key in keys)]
        assert [*said][: len(ITS_KEYS)] == ITS_KEYS
        assert said["metrics"]["acc1"] == row.top1 / 100
        assert said["task"] == "zeroshot_classification"


def test_what_is_unknown_is_left_out_and_models_are_named() -> None:
    encoders = {
        "clip": {
            "library": "open-clip",
            "model": "ViT-B-32",
            "logit_scale": 100.0,
            "revision": "ab",
        }
    }
    found = Result.model_validate(result(run(mean_per_class=None), encoders=encoders))
    ((name, row),) = benchmark_rows(found).items()
    assert name == "pets-clip-zero-shot-ensemble-none.json"
    assert (row["model"], row["pretrained"]) == ("ViT-B-32", "ab")
    assert row["metrics"] == {"acc1": 0.6124, "acc5": 0.9}


def test_names_that_would_share_a_file_are_refused() -> None:
    rows = [run(text=text) for text in ("cupl+e", "cupl-e")]
    found = Result.model_validate(result(*rows))
    with pytest.raises(InputError, match=r"pets-clip-zero-shot-cupl-e-none.json: names of two"):
        benchmark_rows(found)
