"""Events of a run, made by hand."""

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
from susx.progress.run import RunState

BEGAN = 1_767_323_045.0
"""Seconds since 1970."""


def start(host: str = "here", quiet: bool = False) -> list[Event]:
    planned = {"embed": 4, "evaluate": 1}
    called = WorkflowStarted(time=BEGAN - 2, host=host, quiet=quiet)
    return [called, RunInfo(time=BEGAN - 1, jobs=planned)]


def begin(seconds: float, job: int, retries: int = 0) -> Event:
    return JobInfo(
        time=BEGAN + seconds,
        job=job,
        rule="embed",
        wildcards={"dataset": "pets", "shard": str(job)},
        log=f"logs/embed/{job}.log",
        retries=retries,
    )


def finish(seconds: float, job: int) -> Event:
    return JobFinished(time=BEGAN + seconds, job=job)


def fail(seconds: float, job: int, said: str = "") -> Event:
    return JobError(time=BEGAN + seconds, job=job, said=said)


def fail_group(seconds: float, *jobs: int) -> list[Event]:
    group = GroupError(time=BEGAN + seconds, jobs=jobs)
    return [group, *(fail(seconds, job) for job in jobs)]


def end(seconds: float, succeeded: bool = False) -> Event:
    return RunEnded(time=BEGAN + seconds, succeeded=succeeded)


def run_of(*events: Event) -> RunState:
    run = RunState()
    for event in [*start(), *events]:
        run.take(event)
    return run
