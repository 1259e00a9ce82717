"""How rules ask planning."""

import inspect
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from susx.core.errors import InputError
from susx.planning.setup import Setup
from susx.workflow.functions import RefusedRun, refusals, rule_function

CONFIG = {
    "datasets": {"tiny": {"classes": ["cat", "dog"], "images": {"test": "photos"}}},
    "encoders": {"clip": {"library": "transformers", "model": "owner/name"}},
}
NAMES = SimpleNamespace(dataset="tiny", split="test")


@pytest.fixture
def setup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Setup:
    """A setup that names nothing that is there."""
    monkeypatch.chdir(tmp_path)
    return Setup.of(CONFIG)


def test_a_function_gets_the_wildcards_that_it_names(setup: Setup) -> None:
    def paths(setup: Setup, dataset: str, split: str) -> str:
        return f"{setup.work}/{dataset}/{split}"

    assert rule_function(setup, paths, {})(NAMES) == "work/tiny/test"
    assert rule_function(setup, paths, {"split": "train"})(NAMES) == "work/tiny/train"
    assert rule_function(setup, lambda: 3, {})(NAMES) == 3


def test_snakemake_sees_which_facts_of_a_job_are_asked_for(setup: Setup) -> None:
    def memory(setup: Setup, dataset: str, input: Any, attempt: int, base: int) -> list[Any]:
        return [dataset, input, attempt, base]

    asked = rule_function(setup, memory, {"base": 500})
    assert list(inspect.signature(asked).parameters) == ["wildcards", "input", "attempt"]
    assert asked(NAMES, input=["a"], attempt=2) == ["tiny", ["a"], 2, 500]


def test_bad_input_ends_snakemake_with_the_message_alone(setup: Setup) -> None:
    def refuse(dataset: str) -> None:
        raise InputError(f"config.yaml: datasets.{dataset}: no")

    with pytest.raises(RefusedRun) as caught:
        rule_function(setup, refuse, {})(NAMES)
    assert isinstance(caught.value, SystemExit)
    assert (str(caught.value), caught.value.__suppress_context__) == (
        "config.yaml: datasets.tiny: no",
        True,
    )


def test_what_a_disk_refuses_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "work").touch()
    with pytest.raises(RefusedRun) as caught, refusals():
        (tmp_path / "work/pets").mkdir()
    assert str(caught.value) == (
        f"{tmp_path}/work/pets: cannot be read or written (Not a directory); mend that, and call "
        "again"
    )


def test_other_errors_pass(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), refusals():
        (tmp_path / "missing").read_text("utf-8")
    with pytest.raises(OSError), refusals():
        raise OSError("not of a file")
