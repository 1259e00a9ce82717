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
from susx.progress.failures import cause, explained
from tests.made.run import BEGAN, begin, end, fail, fail_group, run_of
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


def write_log(root: Path, job: int, text: str) -> None:
    log = root / f"logs/embed/{job}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(text, "utf-8")
    os.utime(log, (BEGAN + 1, BEGAN + 1))


def test_a_summary_names_rule_wildcards_cause_and_log(tmp_path: Path) -> None:
    write_log(tmp_path, 1, log_of(refuses, tmp_path).read_text("utf-8"))
    assert list(explained(run_of(begin(0, 1), fail(1, 1)), tmp_path)) == [
        "1 job failed:",
        'embed (dataset=pets, shard=1): classes.txt: class "x" stands twice',
        "  classes.txt: entry 3 is empty",
        "  log: logs/embed/1.log",
    ]


def test_a_killed_job_is_told_with_what_the_executor_said(tmp_path: Path) -> None:
    write_log(tmp_path, 1, "")
    _, first, _, second, _ = explained(
        run_of(begin(0, 1), begin(0, 2), fail(1, 1), fail(1, 2, "status is: 'TIMEOUT'")), tmp_path
    )
    assert first.startswith("embed (dataset=pets, shard=1): no error in its log; killed, or ")
    assert second.endswith("no error in its log; status is: 'TIMEOUT'")


def test_the_log_of_an_earlier_run_is_no_cause(tmp_path: Path) -> None:
    write_log(tmp_path, 1, f"{STAMP} ERROR old")
    lines = list(explained(run_of(begin(3600, 1), fail(3601, 1)), tmp_path))
    assert "no error in its log" in lines[1]


def test_of_a_group_those_with_an_error_are_blamed(tmp_path: Path) -> None:
    write_log(tmp_path, 1, f"{STAMP} INFO all well")
    write_log(tmp_path, 2, f"{STAMP} ERROR broken")
    begun = [begin(0, job) for job in (1, 2, 3, 4)]
    one, other = fail_group(1, 1, 2), fail_group(1, 3, 4)
    lines = list(explained(run_of(*begun, *one, *other), tmp_path))
    assert lines[0] == "3 jobs failed:"
    assert [line for line in lines if line.startswith("  log")] == [
        f"  log: logs/embed/{job}.log" for job in (2, 3, 4)
    ]


def test_jobs_that_did_not_finish_are_named(tmp_path: Path) -> None:
    begun = [begin(0, job) for job in range(7)]
    (line,) = explained(run_of(*begun, end(1)), tmp_path)
    assert line.startswith("7 jobs did not finish, see above: embed (dataset=pets, shard=0); ")
    assert line.endswith("; and 2 more")
    assert list(explained(run_of(begin(0, 1), end(1, succeeded=True)), tmp_path)) == []


def test_a_summary_of_many_long_failures_is_short(tmp_path: Path) -> None:
    jobs = range(40)
    for job in jobs:
        write_log(tmp_path, job, f"{STAMP} ERROR " + "\n".join(["long " * 200] * 50))
    events = [*(begin(0, job) for job in jobs), *(fail(1, job) for job in jobs)]
    lines = list(explained(run_of(*events), tmp_path))
    assert len(lines) == 1 + 5 * 4 + 1
    assert max(map(len, lines)) < 600
    assert lines[-1] == "and 35 more, above"
    assert lines[4].endswith("(47 more lines there)")


def test_a_secret_and_steering_characters_are_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "a-long-secret-value")
    write_log(tmp_path, 1, f"{STAMP} ERROR refused a-long-secret-value \x1b[2J")
    text = "\n".join(explained(run_of(begin(0, 1), fail(1, 1)), tmp_path))
    assert "refused" in text
    assert "a-long-secret-value" not in text
    assert "\x1b" not in text
