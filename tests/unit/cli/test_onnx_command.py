"""`susx onnx` writes an ONNX file and says what it found."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from typer.testing import CliRunner

from susx.classifier.file import write_classifier
from susx.cli import app
from tests.made.caches import write_files
from tests.made.classifier import STRATEGIES, exported


@pytest.fixture
def command(tmp_path: Path) -> Callable[..., Any]:
    files = write_files(tmp_path / "caches", STRATEGIES)
    write_classifier(tmp_path / "c.safetensors", exported(files, "zero-shot"))

    def call(*words: str) -> Any:
        paths = str(tmp_path / "c.safetensors"), str(tmp_path / "c.onnx")
        return CliRunner().invoke(app, ["onnx", *paths, *words])

    return call


def test_the_command_writes_the_file(command: Callable[..., Any], tmp_path: Path) -> None:
    done = command("--json")
    told: Mapping[str, Any] = json.loads(done.stdout)
    assert (done.exit_code, told["inputs"]) == (0, ["features"])
    assert told["outputs"] == ["logits", "probabilities"]
    assert told["difference"] <= told["tolerance"]
    assert Path(told["file"]) == tmp_path / "c.onnx"
    session = onnxruntime.InferenceSession(tmp_path / "c.onnx", providers=["CPUExecutionProvider"])
    found = session.run(["logits"], {"features": np.eye(2, 8, dtype=np.float32)})
    assert found[0].shape == (2, 3)
    again = command()
    assert again.exit_code == 2 and again.output.startswith("error: ")
    assert "exists already" in again.output


def test_a_model_that_is_not_used_is_pointed_out(
    command: Callable[..., Any], tmp_path: Path
) -> None:
    done = command("--model", "elsewhere")
    assert done.exit_code == 2 and "--model is for --encoder" in done.output
    assert not (tmp_path / "c.onnx").exists()


def test_the_command_says_what_it_found(command: Callable[..., Any], tmp_path: Path) -> None:
    said_lines = command().stdout
    assert "c.onnx: features to logits and probabilities" in said_lines
    assert "rounding explains" in said_lines
    (tmp_path / "c.onnx").unlink()
    assert command("-q").output == ""
