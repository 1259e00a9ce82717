"""How far a run is, as `susx progress` tells it."""

import json
import os
import platform
from pathlib import Path

import pytest
from tqdm import tqdm
from typer.testing import CliRunner

from susx.cli import app
from susx.progress.estimate import Step, estimate_left, step, timed
from susx.progress.events import Event
from susx.progress.files import FOLDER, new_file
from susx.progress.show import rough_duration, run_progress
from tests.made.run import BEGAN, begin, end, fail, finish, run_of, start

RUNNER = CliRunner(env={"COLUMNS": "200", "TERM": "dumb"})


def test_jobs_begin_and_end() -> None:
    run = run_of(begin(0, 3), begin(1, 4), finish(9, 3))
    assert (run.total, run.planned) == (5, {"embed": 4, "evaluate": 1})
    assert run.began == BEGAN
    (done,), (begun,) = run.of("done"), run.of("begun")
    assert (done.id, done.ended) == (3, BEGAN + 9)
    assert (begun.name, begun.log) == ("embed (dataset=pets, shard=4)", "logs/embed/4.log")
    assert run.state == "at work"


def test_a_failed_job_may_begin_again() -> None:
    failed = [begin(0, 1, retries=1), fail(5, 1)]
    assert [job.id for job in run_of(*failed).of("again")] == [1]
    assert [job.id for job in run_of(*failed, end(6)).of("failed")] == [1]
    again = run_of(*failed, begin(6, 1, retries=1))
    assert [(job.begun, job.attempt) for job in again.of("begun")] == [(BEGAN + 6, 2)]
    assert [job.id for job in run_of(*failed, begin(6, 1, 1), fail(7, 1)).of("failed")] == [1]


def test_what_a_run_leaves_undone_is_unfinished() -> None:
    run = run_of(begin(0, 1), begin(0, 2), finish(9, 1), end(10))
    assert run.state == "ended"
    assert [job.id for job in run.of("unfinished")] == [2]


def test_all_jobs_of_a_run_that_succeeded_are_done() -> None:
    assert len(run_of(begin(0, 1), begin(0, 2), end(10, succeeded=True)).of("done")) == 2


def test_the_rest_takes_as_long_as_equal_jobs_did() -> None:
    run = run_of(begin(0, 1), finish(10, 1), begin(10, 2))
    now = BEGAN + 14
    # One ran at a time: 6 s of the second job and 10 s of two others are left.
    assert estimate_left(run, now, {}, {"evaluate": 3.0}).seconds == pytest.approx(6 + 2 * 10 + 3)
    left = estimate_left(run, now, {}, {})
    assert (left.seconds, left.untimed) == (pytest.approx(26), 1)
    assert estimate_left(run, now, {2: Step(1, 5, 50.0)}, {}).seconds == pytest.approx(50 + 20)


def test_a_job_that_is_tried_again_is_still_to_come() -> None:
    run = run_of(begin(0, 1), finish(10, 1), begin(10, 2, retries=1), fail(20, 2))
    assert estimate_left(run, BEGAN + 20, {}, {}).seconds == pytest.approx(3 * 10)


def test_jobs_side_by_side_take_less() -> None:
    run = run_of(begin(0, 1), begin(0, 2), finish(10, 1), finish(10, 2))
    assert estimate_left(run, BEGAN + 10, {}, {}).seconds == pytest.approx(20 / 2)


def test_the_bar_of_a_job_is_found_in_its_log(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    with log.open("w") as stream:
        for _ in tqdm(range(3), desc="Loading weights", file=stream):
            pass
        bar = tqdm(total=2000, unit=" images", file=stream, initial=0)
        bar.update(500)
        bar.refresh()
        seen = step(log, 0.0)
        assert seen and (seen.done, seen.total) == (500, 2000)
        assert seen.left is not None
        open_ended = tqdm(unit=" images", file=stream)
        open_ended.update(7)
        open_ended.refresh()
    assert step(log, 0.0) == Step(7, None, None, "images")


def test_an_older_log_tells_nothing_of_a_job(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_text(" 50%|##   | 1/2 [00:01<00:01,  1.00it/s]")
    os.utime(log, (1000, 1000))
    assert step(log, 1001.0) is None
    assert step(log, 999.0) == Step(1, 2, 1.0, "it")


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
    assert rough_duration(seconds) == said


def write(root: Path, *events: Event, host: str = "", quiet: bool = False) -> None:
    """Write the file of a run that is no longer at work, and logs of its jobs."""
    with new_file(root) as stream:
        for event in [*start(host or platform.node(), quiet), *events]:
            stream.write(f"{event.model_dump_json()}\n".encode())
    jobs = root / "logs/embed"
    jobs.mkdir(parents=True)
    (jobs / "1.log").write_text("2026-01-02 03:04:10,000 ERROR a.tar: not a readable tar\n")
    (jobs / "3.log").write_text("\r 25%|##   | 512/2048 [00:05<00:15, 102.40 images/s]")


JOBS = (begin(0, 1), fail(5, 1), begin(0, 2), finish(9, 2), begin(9, 3), begin(9, 4))


def shown(root: Path) -> list[str]:
    done = RUNNER.invoke(app, ["progress", str(root), "--watch"])
    assert done.exit_code == 0, done.output
    lines: list[str] = done.output.splitlines()
    return lines


def test_the_command_shows_running_waiting_and_failed_jobs(tmp_path: Path) -> None:
    write(tmp_path, *JOBS, host="another machine")
    lines = shown(tmp_path)
    assert lines[0].startswith("1 of 5 jobs done, 1 failed; ")
    assert "not counting 1 jobs never timed" in lines[0]
    running, waiting = (next(ln for ln in lines if f"shard={n}" in ln) for n in (3, 4))
    assert "512 of 2,048" in running and "15 s" in running
    assert "waiting" in waiting
    assert "failed: embed (dataset=pets, shard=1): a.tar: not a readable tar" in lines
    assert "  log: logs/embed/1.log" in lines


def test_the_command_tells_programs_the_same(tmp_path: Path) -> None:
    write(tmp_path, *JOBS, host="another machine")
    done = RUNNER.invoke(app, ["progress", str(tmp_path), "--json"])
    found = json.loads(done.stdout)
    assert found["jobs"] == {"total": 5, "done": 1, "running": 2, "failed": 1, "unfinished": 0}
    running, waiting = found["running"]
    assert (running["items_done"], running["items"], running["seconds_left"]) == (512, 2048, 15)
    assert (waiting["wildcards"]["shard"], waiting["items"]) == ("4", None)
    assert found["seconds_left"] > 0 and found["untimed"] == 1
    (failed,) = found["failed"]
    assert (failed["reason"], failed["log"]) == ("a.tar: not a readable tar", "logs/embed/1.log")
    assert RUNNER.invoke(app, ["progress", str(tmp_path), "--json", "--watch"]).exit_code == 2


def test_what_nobody_knows_of_a_quiet_run_is_null(tmp_path: Path) -> None:
    write(tmp_path, begin(0, 1), begin(0, 2), host="another machine", quiet=True)
    found = json.loads(RUNNER.invoke(app, ["progress", str(tmp_path), "--json"]).stdout)
    assert (found["jobs"]["done"], found["seconds_left"], found["running"]) == (None, None, [])


def test_a_run_that_broke_off_is_told_from_one_at_work(tmp_path: Path) -> None:
    write(tmp_path, *JOBS)
    first, *rest = shown(tmp_path)
    assert first.startswith("broken off, as by a kill: 1 of 5 jobs done, 1 failed, 2 unfinished; ")
    assert len(rest) == 2


def test_a_run_that_ended_says_so(tmp_path: Path) -> None:
    write(tmp_path, *JOBS, end(20))
    assert shown(tmp_path)[0] == "ended: 1 of 5 jobs done, 1 failed, 2 unfinished"


def test_a_quiet_run_does_not_claim_that_nothing_is_done(tmp_path: Path) -> None:
    write(tmp_path, begin(0, 1), begin(0, 2), host="another machine", quiet=True)
    first, *rest = shown(tmp_path)
    assert first.startswith("2 of 5 jobs begun; with --quiet Snakemake does not tell which are ")
    assert rest == []


def test_a_line_that_is_half_written_does_not_count_yet(tmp_path: Path) -> None:
    with new_file(tmp_path) as stream:
        for event in [*start(), begin(0, 1)]:
            stream.write(f"{event.model_dump_json()}\n".encode())
        stream.write(finish(9, 1).model_dump_json()[:-5].encode())
        run, _ = run_progress(tmp_path, BEGAN + 10)
    assert [job.id for job in run.of("begun")] == [1]


@pytest.mark.parametrize(
    "line", [b"{", b'{"event": "other", "time": 1}', finish(1, 7).model_dump_json().encode()]
)
def test_a_damaged_line_is_named(line: bytes, tmp_path: Path) -> None:
    (tmp_path / FOLDER).mkdir(parents=True)
    (tmp_path / FOLDER / "x.susx.jsonl").write_bytes(line + b"\n")
    done = RUNNER.invoke(app, ["progress", str(tmp_path)])
    assert done.exit_code == 2
    assert "x.susx.jsonl: line 1 is no event of a run" in done.output


def test_a_folder_without_a_run_is_an_error(tmp_path: Path) -> None:
    done = RUNNER.invoke(app, ["progress", str(tmp_path)])
    assert done.exit_code == 2
    assert "no run yet" in done.output
