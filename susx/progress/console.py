"""What a run shows meanwhile: a line per finished stage, and on a terminal what is at work."""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from functools import cache
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from susx.core.plain import plain
from susx.progress.estimate import Step, estimate_left, running_steps, step, timed
from susx.progress.events import Event, JobError, JobFinished, JobInfo, RunEnded, RunInfo
from susx.progress.failures import failure_reason, warnings
from susx.progress.run import RunJob, RunState
from susx.progress.show import rough_duration
from susx.progress.stages import Stage, stage_of

PER_SECOND = 1.0
"""How often the view is drawn anew; logs of running jobs are read as often."""
TENTHS = 10
MANY = 20
"""Jobs of a stage from which on every tenth of it is told."""
SHOWN = 8
"""Stages at work that are shown at most: a terminal has 24 lines."""
TARGET = "all"
"""Rule that only asks for the files of others."""
NOTHING = "Nothing to be done"
"""What Snakemake says where all files are there."""
OF_JOBS = ("Exiting because a job execution failed", "At least one job did not complete")
"""Errors that Snakemake adds to those of jobs, which are told with their logs."""


class SteadyConsole(Console):
    """A console that falls silent once nobody reads it: `susx run 2>&1 | head`.

    Rich's ends its thread, which may be the one that tells Snakemake of a finished job.
    """

    def on_broken_pipe(self) -> None:
        """Print nothing more."""
        self.quiet = True


class ConsoleView:
    """Shows a run. Each warning and error is told once, with where it stands.

    Attributes:
        is_quiet: whether only errors are shown.
    """

    def __init__(self, root: Path, console: Console, is_quiet: bool = False) -> None:
        """Prepare for a run.

        Args:
            root: the folder that snakemake was called in.
            console: where to print.
            is_quiet: show only errors.
        """
        self.is_quiet = is_quiet
        self._root, self._console = root, console
        self._run = RunState()
        self._told: set[str] = set()
        self._earlier = cache(lambda rule: timed(root, rule))
        is_drawn = console.is_terminal and not console.is_dumb_terminal and not is_quiet
        self._live = Live(
            console=console,
            get_renderable=self._drawn,
            refresh_per_second=PER_SECOND,
            transient=True,
        )
        self._is_drawn = is_drawn

    def take(self, event: Event, run: RunState) -> None:
        """Show what an event, which the run has taken, brings."""
        self._run = run
        match event:
            case RunInfo():
                jobs = "1 job" if run.total == 1 else f"{run.total} jobs"
                self._say(f"{jobs} in {len(run.planned)} stages; logs are in logs/")
                if self._is_drawn and not self._live.is_started:
                    self._live.start()
            case JobInfo(job=number):
                if run.jobs[number].attempt > 1:
                    self._say(f"again: {run.jobs[number].name}")
            case JobFinished(job=number):
                self._finish(run.jobs[number])
            case JobError(job=number):
                job = run.jobs[number]
                reason = failure_reason(job, self._root).splitlines()[0]
                self._print(f"failed: {job.name}: {reason}")
                self._print(f"  log: {job.log or 'none'}")
            case RunEnded():
                self._end()

    def message(self, record: logging.LogRecord) -> None:
        """Show a message of Snakemake that is about no job: errors, warnings, and our own."""
        text = str(record.msg or "").strip()
        if text.startswith(NOTHING):
            self._say("nothing to do: all that is asked for is there")
        is_shown = record.levelno >= (logging.ERROR if self.is_quiet else logging.WARNING)
        if is_shown and not self._is_of_job(record, text):
            self._once(text)

    def stop(self) -> None:
        """Draw no more."""
        if self._live.is_started:
            self._live.stop()

    def _is_of_job(self, record: logging.LogRecord, text: str) -> bool:
        name = getattr(record, "exception", "")
        return name in ("CalledProcessError", "RuleException") or any(
            words in text for words in OF_JOBS
        )

    def _finish(self, job: RunJob) -> None:
        for text in warnings(self._root / job.log, job.begun - 1) if job.log else ():
            if not self.is_quiet:
                self._once(f"warning: {text}", f" ({job.log})")
        if job.rule == TARGET:
            return
        stage = self._stage(job.rule, job.ended or job.begun)
        tenth = max(1, stage.total // TENTHS)
        if stage.done >= stage.total or (stage.total >= MANY and stage.done % tenth == 0):
            self._say(_line(stage))

    def _stage(self, rule: str, now: float) -> Stage:
        return stage_of(self._run, rule, now, self._step, self._root)

    def _step(self, job: RunJob) -> Step | None:
        return step(self._root / job.log, job.begun)

    def _end(self) -> None:
        self.stop()
        run = self._run
        if not run.total:
            return
        stages = [self._stage(rule, time.time()) for rule in run.planned]
        reused = sum(stage.reused for stage in stages)
        others = f", {reused} of them found in the store" if reused else ""
        took = rough_duration(time.time() - run.began) if run.began else "0 s"
        self._say(f"{len(run.of('done'))} of {run.total} jobs done in {took}{others}")

    def _drawn(self) -> RenderableType:
        """What is at work, drawn by another thread than that which takes events."""
        run, now = replace(self._run, jobs=dict(self._run.jobs)), time.time()
        running = run.of("begun")
        steps = running_steps(running, self._root)
        earlier = {rule: self._earlier(rule) for rule in run.planned}
        left = estimate_left(run, now, steps, earlier)
        rest = f", not counting {left.untimed} jobs never timed" if left.untimed else ""
        head = f"{len(run.of('done'))} of {run.total} jobs done"
        if run.began:
            head += f"; {rough_duration(now - run.began)} so far"
            head += f", roughly {rough_duration(left.seconds)} left{rest}"
        table = Table(box=None, pad_edge=False, show_header=False)
        for rule in list(dict.fromkeys(job.rule for job in running))[:SHOWN]:
            stage = stage_of(run, rule, now, self._step, self._root)
            seen = [s for job in running if job.rule == rule and (s := steps.get(job.id))]
            table.add_row(*map(Text, (_name(rule), _done(stage), _within(seen), stage.speed)))
        return Group(table, Text(head))

    def _once(self, text: str, where: str = "") -> None:
        if text and text not in self._told:
            self._told.add(text)
            self._print(text + where)

    def _say(self, line: str) -> None:
        if line and not self.is_quiet:
            self._print(line)

    def _print(self, text: str) -> None:
        self._console.print(Text(plain(text, keep="\n")), soft_wrap=True)


def _name(rule: str) -> str:
    return rule.replace("_", " ")


def _done(stage: Stage) -> str:
    return f"{stage.done} of {stage.total}"


def _within(steps: list[Step]) -> str:
    """How far the progress bars of running jobs are, together."""
    known = [seen for seen in steps if seen.total]
    if not known:
        return ""
    done, total = (sum(n) for n in zip(*((s.done, s.total or 0) for s in known), strict=True))
    return f"{done:,} of {total:,} {known[0].unit}".rstrip()


def _line(stage: Stage) -> str:
    reused = f"{stage.reused} found in the store" if stage.reused else ""
    facts = (f"{_done(stage)} in {rough_duration(stage.seconds)}", stage.speed, reused)
    return f"{_name(stage.rule)}: {', '.join(filter(None, facts))}"
