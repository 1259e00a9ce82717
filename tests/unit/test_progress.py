"""How far a run is, as `susx progress` tells it."""

import os
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tqdm import tqdm
from typer.testing import CliRunner

from susx.cli import app
from susx.progress.estimate import Step, estimate, step, timed
from susx.progress.run import Run, read_run
from susx.progress.show import duration

BEGAN = datetime(2026, 1, 2, 3, 4, 5)
RUNNER = CliRunner(env={"COLUMNS": "200", "TERM": "dumb"})

HEAD = """
Building DAG of jobs...
Job stats:
job         count
--------  -------
embed           4
evaluate        1
total           5

Select jobs to execute...
"""


def at(seconds: int) -> str:
    return f"[{(BEGAN + timedelta(seconds=seconds)).ctime()}]\n"


def begin(seconds: int, job: int, rule: str = "embed", indent: str = "") -> str:
    lines = [
        f"rule {rule}:",
        "    input: x",
        f"    log: logs/{rule}/{job}.log",
        f"    jobid: {job}",
        f"    benchmark: benchmarks/{rule}/{job}.tsv",
        "    reason: Missing output files: y",
        f"    wildcards: dataset=pets, shard={job}",
        "    resources: mem_mb=500",
    ]
    return indent + at(seconds) + "".join(f"{indent}{line}\n" for line in lines)


def finish(seconds: int, job: int, done: int) -> str:
    return f"{at(seconds)}Finished jobid: {job} (Rule: embed)\n{done} of 5 steps (20%) done\n"


def fail(seconds: int, job: int) -> str:
    return (
        f"{at(seconds)}Error in rule embed:\n    message: None\n    jobid: {job}\n"
        f"    log: logs/embed/{job}.log (check log file(s) for error details)\n"
        f"Logfile logs/embed/{job}.log:\n====\n2026 ERROR no\n====\n"
    )


def run_of(*parts: str) -> Run:
    return read_run(iter("".join((HEAD, *parts)).splitlines()))


def test_jobs_begin_and_end() -> None:
    run = run_of(begin(0, 3), begin(1, 4), finish(9, 3, 1))
    assert (run.done, run.total, run.planned) == (1, 5, {"embed": 4, "evaluate": 1})
    assert run.began == BEGAN
    (done,), (begun,) = run.of("done"), run.of("begun")
    assert (done.id, done.ended) == (3, BEGAN + timedelta(seconds=9))
    assert (begun.rule, begun.wildcards) == ("embed", "dataset=pets, shard=4")
    assert (begun.log, begun.benchmark) == ("logs/embed/4.log", "benchmarks/embed/4.tsv")
    assert not run.ended


def test_jobs_of_a_group_are_indented() -> None:
    run = run_of("group job a (jobs in lexicogr. order):\n", begin(0, 1, indent="    "))
    assert [job.id for job in run.of("begun")] == [1]


def test_a_failed_job_may_begin_again() -> None:
    failed = begin(0, 1) + fail(5, 1)
    assert [job.id for job in run_of(failed).of("failed")] == [1]
    again = run_of(failed, "Trying to restart job 1.\n", begin(6, 1))
    assert [job.begun for job in again.of("begun")] == [BEGAN + timedelta(seconds=6)]
    assert again.of("failed") == []


@pytest.mark.parametrize("line", ["Complete log(s): /x\n", "Nothing to be done (all there).\n"])
def test_a_run_ends_with_its_last_line(line: str) -> None:
    assert run_of(begin(0, 1)).ended is False
    assert run_of(begin(0, 1), line).ended is True


@given(st.lists(st.sampled_from([*HEAD.split("\n"), "[Foo Bar 99 99:99:99 2026]", "jobid: x"])))
def test_any_order_of_lines_is_read(lines: list[str]) -> None:
    read_run(iter([*lines, *begin(0, 1).split("\n"), *lines]))


def test_the_rest_takes_as_long_as_equal_jobs_did() -> None:
    run = run_of(begin(0, 1), finish(10, 1, 1), begin(10, 2))
    now = BEGAN + timedelta(seconds=14)
    # One ran at a time: 6 s of the second job and 10 s of two others are left.
    assert estimate(run, now, {}, {"evaluate": 3.0}).seconds == pytest.approx(6 + 2 * 10 + 3)
    left = estimate(run, now, {}, {})
    assert (left.seconds, left.untimed) == (pytest.approx(26), 1)
    assert estimate(run, now, {2: Step(1, 5, 50.0)}, {}).seconds == pytest.approx(50 + 20)


def test_jobs_side_by_side_take_less() -> None:
    run = run_of(begin(0, 1), begin(0, 2), finish(10, 1, 1), finish(10, 2, 2))
    assert estimate(run, BEGAN + timedelta(seconds=10), {}, {}).seconds == pytest.approx(20 / 2)


def test_the_bar_of_a_job_is_found_in_its_log(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    with log.open("w") as stream:
        for _ in tqdm(range(3), desc="Loading weights", file=stream):
            pass
        bar = tqdm(total=2000, unit=" images", file=stream, initial=0)
        bar.update(500)
        bar.refresh()
        seen = step(log, datetime.fromtimestamp(0))
        assert seen and (seen.done, seen.total) == (500, 2000)
        assert seen.left is not None
        open_ended = tqdm(unit=" images", file=stream)
        open_ended.update(7)
        open_ended.refresh()
    assert step(log, datetime.fromtimestamp(0)) == Step(7, None, None)


def test_an_older_log_tells_nothing_of_a_job(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_text(" 50%|##   | 1/2 [00:01<00:01,  1.00it/s]")
    os.utime(log, (1000, 1000))
    assert step(log, datetime.fromtimestamp(1001)) is None
    assert step(log, datetime.fromtimestamp(999)) == Step(1, 2, 1.0)


def test_benchmarks_time_earlier_jobs(tmp_path: Path) -> None:
    assert timed(tmp_path, "embed") is None
    for name, seconds in (("a", "10.5"), ("b/c", "11.5"), ("d", "-")):
        path = tmp_path / f"benchmarks/embed/{name}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"s\th:m:s\n{seconds}\t0:00:10\n")
    assert timed(tmp_path, "embed") == 11.0


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.4, "0 s"), (119, "119 s"), (600, "10 min"), (9000, "2.5 h")]
)
def test_durations_are_rounded(seconds: float, said: str) -> None:
    assert duration(seconds) == said


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of a run with a finished, a failed, a running and a waiting job."""
    log = tmp_path / ".snakemake/log/2026.snakemake.log"
    log.parent.mkdir(parents=True)
    failed = begin(0, 1) + fail(5, 1)
    log.write_text(HEAD + failed + begin(0, 2) + finish(9, 2, 1) + begin(9, 3) + begin(9, 4))
    jobs = tmp_path / "logs/embed"
    jobs.mkdir(parents=True)
    (jobs / "1.log").write_text("2026-01-02 03:04:10,000 ERROR a.tar: not a readable tar\n")
    (jobs / "3.log").write_text("\r 25%|##   | 512/2048 [00:05<00:15, 102.40 images/s]")
    return tmp_path


def test_the_command_shows_running_waiting_and_failed_jobs(folder: Path) -> None:
    done = RUNNER.invoke(app, ["progress", str(folder), "--watch"])
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    assert lines[0].startswith("1 of 5 jobs done, 1 failed; ")
    assert "not counting 1 jobs never timed" in lines[0]
    running, waiting = (next(ln for ln in lines if f"shard={n}" in ln) for n in (3, 4))
    assert "512 of 2,048" in running and "15 s" in running
    assert "waiting" in waiting
    assert "failed: embed (dataset=pets, shard=1): a.tar: not a readable tar" in lines
    assert "  log: logs/embed/1.log" in lines


def test_a_folder_without_a_run_is_an_error(tmp_path: Path) -> None:
    done = RUNNER.invoke(app, ["progress", str(tmp_path)])
    assert done.exit_code == 2
    assert "no run yet" in done.output
