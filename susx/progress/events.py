"""What happens in a run: what is kept of Snakemake's own log events, and no more than that."""

from __future__ import annotations

import platform
from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from susx.core.plain import plain

LONGEST = 4096
"""Characters of a text that are kept; a path of Linux has fewer."""


class _Event(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    time: float = Field(description="Seconds since 1970.")


class WorkflowStarted(_Event):
    """Snakemake was called; it plans the run next."""

    event: Literal["workflow_started"] = "workflow_started"
    host: str = Field(description="Name of the machine.")
    quiet: bool = Field(description="Whether Snakemake was told not to tell when jobs finish.")


class RunInfo(_Event):
    """The run is planned."""

    event: Literal["run_info"] = "run_info"
    jobs: dict[str, int] = Field(description="Number of jobs by rule.")


class JobInfo(_Event):
    """A job was started or handed to a scheduler, for the first time or again."""

    event: Literal["job_info"] = "job_info"
    job: int = Field(description="Number of the job in the run.")
    rule: str
    wildcards: dict[str, str]
    log: str = Field(description="Its log file; empty where it has none.")
    retries: int = Field(description="How often it is tried again if it fails.")


class JobFinished(_Event):
    """A job finished."""

    event: Literal["job_finished"] = "job_finished"
    job: int


class JobError(_Event):
    """A job failed."""

    event: Literal["job_error"] = "job_error"
    job: int
    said: str = Field(description="What the executor says of it, such as Slurm's status.")


class GroupError(_Event):
    """A group of jobs failed; a `JobError` of each of them comes next."""

    event: Literal["group_error"] = "group_error"
    jobs: tuple[int, ...]


class RunEnded(_Event):
    """Snakemake ended by itself, whatever became of the jobs."""

    event: Literal["ended"] = "ended"
    succeeded: bool


Event = WorkflowStarted | RunInfo | JobInfo | JobFinished | JobError | GroupError | RunEnded
EVENT: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="event")])


def event_of(record: Any, quiet: bool, retries: Callable[[str], int]) -> Event | None:
    """What is kept of a record of Snakemake's logger; None where that is nothing.

    Texts are cut, and without secrets and steering characters.

    Args:
        record: a `logging.LogRecord` with the attributes of its log event.
        quiet: see `WorkflowStarted`.
        retries: how often a rule's jobs are tried again.
    """
    time = record.created
    match getattr(record, "event", None):
        case "workflow_started":
            return WorkflowStarted(time=time, host=_told(platform.node()), quiet=quiet)
        case "run_info":
            counts = {rule: count for rule, count in record.stats.items() if rule != "total"}
            return RunInfo(time=time, jobs={_told(rule): count for rule, count in counts.items()})
        case "job_info":
            return JobInfo(
                time=time,
                job=record.jobid,
                rule=_told(record.rule_name),
                wildcards={_told(k): _told(v) for k, v in record.wildcards.items()},
                log=_told(record.log[0]) if record.log else "",
                retries=retries(record.rule_name),
            )
        case "job_finished":
            return JobFinished(time=time, job=record.job_id)
        case "job_error":
            return JobError(time=time, job=record.jobid, said=_told(record.rule_msg or ""))
        case "group_error":
            jobs = sorted(job["jobid"] for job in record.job_error_info)
            return GroupError(time=time, jobs=tuple(jobs))
    return None


def _told(text: object) -> str:
    return plain(str(text))[:LONGEST]
