"""How far the stages of a run are: a stage is all jobs of a rule."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from susx.progress.estimate import Step
from susx.progress.failures import end_of
from susx.progress.run import RunJob, RunState

FOUND = "nothing to make"
"""What the log of a job says whose outputs are in the store."""
SMALL_LOG = 1 << 12
"""Bytes of a log: that of a job that made nothing has one line."""


@dataclass(frozen=True)
class Stage:
    """A stage of a run.

    Attributes:
        rule: its rule.
        done: jobs done.
        total: all jobs.
        reused: jobs whose outputs were in the store.
        images: images that were embedded or drawn, as progress bars tell.
        seconds: from the begin of its first job to the end of its last one, or the present.
    """

    rule: str
    done: int
    total: int
    reused: int
    images: int
    seconds: float

    @property
    def speed(self) -> str:
        """Images per second of the whole stage, loading of its model included; empty without."""
        if not self.images or self.seconds <= 0:
            return ""
        return f"{self.images / self.seconds:,.3g} images/s"


def stage_of(
    run: RunState, rule: str, now: float, read: Callable[[RunJob], Step | None], root: Path
) -> Stage:
    """How far a stage is.

    Args:
        run: the run.
        rule: rule of the stage.
        now: the present, in seconds since 1970.
        read: reads the last progress bar of a job.
        root: the folder that snakemake was called in.
    """
    jobs = [job for job in run.jobs.values() if job.rule == rule]
    done = [job for job in jobs if job.state == "done"]
    ends = [job.ended or now for job in jobs]
    steps = [step for job in jobs if job.log and (step := read(job))]
    return Stage(
        rule,
        len(done),
        run.planned.get(rule, len(jobs)),
        sum(FOUND in end_of(root / job.log, job.begun - 1, SMALL_LOG) for job in done if job.log),
        sum(step.done for step in steps if step.unit == "images"),
        max(ends) - min(job.begun for job in jobs) if jobs else 0.0,
    )
