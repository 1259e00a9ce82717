"""Why jobs failed, as the end of a run tells it."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from susx.core.errors import InputError
from susx.progress.failures import Failure, cause, executor_messages, explained
from workflow_scripts.susx_job import run_job

STAMP = "2026-01-02 03:04:05,678"

UNKEPT = {"rule": "a", "threads": 1, "input": {}, "output": {}, "params": {"kept": None}}
"""A job whose outputs are kept nowhere."""


def log_of(main: Callable[[Any], None], path: Path) -> Path:
    """Log of a job."""
    log = path / "job.log"
    with pytest.raises(SystemExit):
        run_job(main, {"snakemake": SimpleNamespace(**UNKEPT, log=[str(log)])})
    return log


def refuses(job: Any) -> None:
    print("embedding:  50%|#####", end="\r", file=sys.stderr)
    raise InputError('classes.txt: class "x" stands twice\nclasses.txt: entry 3 is empty')


def breaks(job: Any) -> None:
    raise KeyError("a key")


def test_bad_input_is_told_in_full(tmp_path: Path) -> None:
    assert cause(log_of(refuses, tmp_path)) == (
        'classes.txt: class "x" stands twice\nclasses.txt: entry 3 is empty'
    )


def test_of_an_unexpected_error_the_last_line_is_told(tmp_path: Path) -> None:
    log = log_of(breaks, tmp_path)
    assert "Traceback" in log.read_text("utf-8")
    assert cause(log) == "unexpected error: KeyError: 'a key'"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        (f"{STAMP} INFO 12 images\n", ""),
        (f"{STAMP} ERROR a: no\n{STAMP} INFO bye\n", "a: no"),
        (f"{STAMP} ERROR first\n{STAMP} ERROR second\n", "second"),
        ("x" * 100_000 + f"\n{STAMP} ERROR late\n", "late"),
        (f"text: 3%|# | 1/3{STAMP} ERROR after a bar", "after a bar"),
    ],
    ids=["empty", "killed", "others after it", "two", "long", "bar"],
)
def test_the_last_error_of_a_log_is_the_cause(text: str, expected: str, tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_text(text, "utf-8")
    assert cause(log) == expected


def test_the_log_of_an_earlier_run_tells_nothing(tmp_path: Path) -> None:
    log = log_of(refuses, tmp_path)
    os.utime(log, (1000, 1000))
    assert cause(log, since=1001) == ""
    assert cause(log, since=999)
    assert cause(tmp_path / "none.log") == ""


@given(st.binary(max_size=300))
def test_any_bytes_are_a_log(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    log = tmp_path_factory.getbasetemp() / "any.log"
    log.write_bytes(data + f"\n{STAMP} ERROR why\n".encode())
    assert cause(log) == "why"


def test_a_summary_names_rule_wildcards_cause_and_log(tmp_path: Path) -> None:
    log = log_of(refuses, tmp_path)
    assert list(explained([Failure("prompts", {"dataset": "a", "strategy": "b"}, str(log))])) == [
        "1 job failed:",
        'prompts (dataset=a, strategy=b): classes.txt: class "x" stands twice',
        "  classes.txt: entry 3 is empty",
        f"  log: {log}",
    ]


def test_a_killed_job_is_told_with_what_the_executor_said(tmp_path: Path) -> None:
    said = tmp_path / "snakemake.log"
    block = "Error in rule {}:\n    message: {}\n    jobid: {}\n    input: x\n"
    said.write_text(block.format("a", "None", 1) + block.format("b", "status is: 'TIMEOUT'", 2))
    messages = executor_messages(said)
    assert messages == {2: "status is: 'TIMEOUT'"}
    lines = list(explained([Failure("b", {}, "no.log", messages[2])]))
    assert lines[1] == "b (): no error in its log; status is: 'TIMEOUT'"


def test_a_summary_of_many_long_failures_is_short(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_text(f"{STAMP} ERROR " + "\n".join(["long " * 200] * 50))
    lines = list(explained([Failure("r", {}, str(log))] * 40))
    assert len(lines) == 1 + 5 * 4 + 1
    assert max(map(len, lines)) < 600
    assert lines[-1] == "and 35 more, above"
    assert lines[4].endswith("(47 more lines there)")


def test_a_secret_and_steering_characters_are_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "a-long-secret-value")
    log = tmp_path / "x.log"
    log.write_text(f"{STAMP} ERROR refused a-long-secret-value \x1b[2J")
    text = "\n".join(explained([Failure("r", {}, str(log))]))
    assert "a-long-secret-value" not in text
    assert "\x1b" not in text
