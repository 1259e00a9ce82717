"""A run as its events tell it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from susx.progress.events import (
    Event,
    GroupError,
    JobError,
    JobFinished,
    JobInfo,
    RunEnded,
    RunInfo,
    WorkflowStarted,
)

State = Literal["begun", "done", "again", "failed", "unfinished"]
"""What became of a job: `again` failed and waits for its next attempt, `unfinished` was begun in a
run that is over."""


@dataclass
class RunJob:
    """A job that was started or handed to a scheduler.

    Attributes:
        id: number in the run.
        rule: its rule.
        wildcards: their values.
        log: its log file, or nothing.
        begun: when its last attempt was begun, in seconds since 1970.
        attempt: number of that attempt.
        retries: how often it is tried again.
        ended: when that attempt ended.
        state: what became of it.
        group: numbers of the jobs of the failed group that it was part of, if any.
        said: what the executor said of its failure, such as Slurm's status, or nothing.
    """

    id: int
    rule: str
    wildcards: Mapping[str, str]
    log: str
    begun: float
    attempt: int = 1
    retries: int = 0
    ended: float | None = None
    state: State = "begun"
    group: tuple[int, ...] = ()
    said: str = ""

    @property
    def values(self) -> str:
        """The wildcards as `name=value, ...`."""
        return ", ".join(f"{name}={value}" for name, value in self.wildcards.items())

    @property
    def name(self) -> str:
        """Rule and wildcards."""
        return f"{self.rule} ({self.values})"


@dataclass
class RunState:
    """A call of Snakemake.

    Attributes:
        called: when that was, in seconds since 1970.
        host: name of the machine that it was called on.
        quiet: whether it was called so that it does not tell when jobs finish.
        began: when its first job was begun, in seconds since 1970.
        planned: number of jobs by rule.
        jobs: those begun, by number.
        state: `ended` by itself, or `broken off` without a word, as by a kill.
    """

    called: float | None = None
    host: str = ""
    quiet: bool = False
    began: float | None = None
    planned: Mapping[str, int] = field(default_factory=dict)
    jobs: dict[int, RunJob] = field(default_factory=dict)
    state: Literal["at work", "ended", "broken off"] = "at work"

    @property
    def total(self) -> int:
        """Number of all jobs."""
        return sum(self.planned.values())

    def of(self, state: State) -> list[RunJob]:
        """Jobs in a state."""
        return [job for job in self.jobs.values() if job.state == state]

    def take(self, event: Event) -> None:
        """Go on by one event.

        Raises:
            KeyError: if it is about a job that was never begun.
        """
        match event:
            case WorkflowStarted():
                self.called, self.host, self.quiet = event.time, event.host, event.quiet
            case RunInfo():
                self.planned = event.jobs
            case JobInfo():
                self._begin(event)
            case JobFinished():
                self._leave(self.jobs[event.job], "done", event.time)
            case GroupError():
                for number in event.jobs:
                    self.jobs[number].group = event.jobs
            case JobError():
                job = self.jobs[event.job]
                job.said = event.said
                self._leave(job, "again" if job.attempt <= job.retries else "failed", event.time)
            case RunEnded():
                if event.succeeded:  # what nobody told of, as with --quiet
                    for job in self.of("begun"):
                        self._leave(job, "done", event.time)
                self.stop("ended")

    def stop(self, state: Literal["ended", "broken off"]) -> None:
        """Let nothing come any more: no job is at work, none is tried again."""
        self.state = state
        for job in self.of("begun"):
            job.state = "unfinished"
        for job in self.of("again"):
            job.state = "failed"

    def _begin(self, event: JobInfo) -> None:
        self.began = self.began or event.time
        earlier = self.jobs.get(event.job)
        self.jobs[event.job] = RunJob(
            event.job,
            event.rule,
            event.wildcards,
            event.log,
            event.time,
            attempt=earlier.attempt + 1 if earlier else 1,
            retries=event.retries,
        )

    def _leave(self, job: RunJob, state: State, time: float) -> None:
        job.ended, job.state = time, state
