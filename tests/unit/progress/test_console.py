"""What a run shows while it goes on."""

import io
import logging
import os
import time
from contextlib import suppress
from pathlib import Path

import pytest
from rich.console import Console

from susx.progress.console import ConsoleView, SteadyConsole
from susx.progress.events import Event, JobError, JobFinished, JobInfo, RunEnded, RunInfo
from susx.progress.run import RunState

ENTRY = "2026-01-01 00:00:00,000 {} {}\n"


class Shown:
    """A run in a folder, and what is shown of it."""

    def __init__(self, root: Path, is_terminal: bool = False, is_quiet: bool = False) -> None:
        self.root, self.stream, self.run = root, io.StringIO(), RunState()
        console = Console(file=self.stream, width=80, force_terminal=is_terminal, _environ={})
        self.view = ConsoleView(root, console, is_quiet)
        self.now = time.time()

    def take(self, *events: Event) -> None:
        for event in events:
            self.run.take(event)
            self.view.take(event, self.run)

    def plan(self, **jobs: int) -> None:
        self.take(RunInfo(time=self.now, jobs=jobs))

    def begin(self, job: int, log: str = "") -> None:
        name = f"{job}.log" if log else ""
        if log:
            (self.root / name).write_text(log)
        told = {"wildcards": {"n": str(job)}, "log": name, "retries": 0}
        self.take(JobInfo(time=self.now, job=job, rule="embed_images", **told))

    def finish(self, job: int, after: float = 2.0) -> None:
        self.take(JobFinished(time=self.now + after, job=job))

    @property
    def lines(self) -> list[str]:
        return self.stream.getvalue().splitlines()


@pytest.fixture
def shown(tmp_path: Path) -> Shown:
    return Shown(tmp_path)


def test_a_finished_stage_has_a_line_and_its_jobs_have_none(shown: Shown) -> None:
    shown.plan(embed_images=2)
    bar = "100%|####| 300/300 [00:01<00:00, 200.00 images/s]\n"
    shown.begin(1, bar)
    shown.begin(2, bar)
    shown.finish(1)
    assert len(shown.lines) == 1
    shown.finish(2, after=4.0)
    assert shown.lines[1] == "embed images: 2 of 2 in 4 s, 150 images/s"


def test_of_many_jobs_every_tenth_of_the_stage_is_told(shown: Shown) -> None:
    shown.plan(embed_images=40)
    for job in range(40):
        shown.begin(job)
        shown.finish(job)
    assert [line.split(" in ")[0] for line in shown.lines[1:]] == [
        f"embed images: {done} of 40" for done in range(4, 41, 4)
    ]


def test_what_the_store_had_is_counted(shown: Shown) -> None:
    shown.plan(embed_images=2)
    shown.begin(1, ENTRY.format("INFO", "found in work/store: nothing to make"))
    shown.begin(2, ENTRY.format("INFO", "done"))
    shown.finish(1)
    shown.finish(2)
    shown.take(RunEnded(time=shown.now, succeeded=True))
    assert shown.lines[1].endswith("in 2 s, 1 found in the store")
    assert shown.lines[2].endswith(", 1 of them found in the store")


def test_a_warning_is_told_once_with_its_log(shown: Shown) -> None:
    shown.plan(embed_images=2)
    for job in (1, 2):
        shown.begin(job, "a library: install more\n" + 2 * ENTRY.format("WARNING", "odd \x1b[1m"))
        shown.finish(job)
    assert sum("odd" in line for line in shown.lines) == 1
    assert shown.lines[1].endswith(" (1.log)")
    assert "install" not in shown.stream.getvalue()
    assert "\x1b" not in shown.stream.getvalue()


def test_a_failure_names_its_log_at_once(shown: Shown) -> None:
    shown.plan(embed_images=1)
    shown.begin(1, ENTRY.format("ERROR", "images/a.png: not an image"))
    shown.take(JobError(time=shown.now, job=1, said=""))
    assert shown.lines[1:] == [
        "failed: embed_images (n=1): images/a.png: not an image",
        "  log: 1.log",
    ]


@pytest.mark.parametrize("is_quiet", [False, True])
def test_quiet_leaves_errors(tmp_path: Path, is_quiet: bool) -> None:
    shown = Shown(tmp_path, is_quiet=is_quiet)
    shown.plan(embed_images=1)
    shown.begin(1, ENTRY.format("WARNING", "odd"))
    shown.finish(1)
    for level, text in ((logging.WARNING, "slow"), (logging.ERROR, "broken")):
        shown.view.message(logging.LogRecord("", level, "", 0, text, None, None))
    said = ["broken"] if is_quiet else ["warning: odd (1.log)", "slow", "broken"]
    assert [line for line in shown.lines if "embed" not in line and "stages" not in line] == said
    assert not is_quiet or shown.lines == said


def test_a_terminal_shows_what_is_at_work(tmp_path: Path) -> None:
    shown = Shown(tmp_path, is_terminal=True)
    shown.plan(embed_images=2)
    shown.begin(1, "50%|##  | 150/300 [00:01<00:01, 150.00 images/s]")
    shown.view._live.refresh()
    shown.view.stop()
    text = shown.stream.getvalue()
    assert "150 of 300 images" in text
    assert "0 of 2 jobs done" in text


def test_a_run_goes_on_when_nobody_reads_its_output_any_more(tmp_path: Path) -> None:
    """Rich would raise SystemExit in the thread that tells Snakemake of a finished job."""
    reader, writer = os.pipe()
    with os.fdopen(writer, "w") as stream:
        view = ConsoleView(tmp_path, SteadyConsole(file=stream, _environ={}))
        run, now = RunState(), time.time()
        begun = JobInfo(time=now, job=1, rule="embed_images", wildcards={}, log="", retries=0)
        os.close(reader)
        for event in (
            RunInfo(time=now, jobs={"embed_images": 1}),
            begun,
            JobFinished(time=now + 1, job=1),
            RunEnded(time=now + 1, succeeded=True),
        ):
            run.take(event)
            view.take(event, run)
        assert len(run.of("done")) == 1
        with suppress(BrokenPipeError):  # what is left in the buffer
            stream.close()
