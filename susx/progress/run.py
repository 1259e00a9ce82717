"""A run as its log tells it; Snakemake writes one wherever jobs run, on a cluster as well."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal

from susx.core.errors import InputError

LOGS = ".snakemake/log"
TIME = re.compile(r"\[(\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4})\]$")
RULE = re.compile(r"(?:local)?(?:rule|checkpoint) (\w+):$")
PLANNED = re.compile(r"(\w+) +(\d+)$")
FINISHED = re.compile(r"Finished jobid: (\d+) ")
FAILED = re.compile(r"Error in rule \w+:$")
KEY = re.compile(r"(?:(jobid): (\d+)|(log|benchmark|wildcards): (.+))$")
STEPS = re.compile(r"(\d+) of (\d+) steps \(")
AGAIN = re.compile(r"Trying to restart job (\d+)\.$")
END = ("Complete log(s): ", "Nothing to be done ")


@dataclass
class Job:
    """A job that was started or handed to a scheduler.

    Attributes:
        id: number in the run.
        rule: its rule.
        wildcards: their values, `name=value, ...`.
        log: its log file.
        benchmark: its benchmark file.
        begun: when that was.
        ended: when it ended.
        state: what became of it.
    """

    id: int
    rule: str
    begun: datetime
    wildcards: str = ""
    log: str = ""
    benchmark: str = ""
    ended: datetime | None = None
    state: Literal["begun", "done", "failed"] = "begun"


@dataclass
class Run:
    """A call of Snakemake.

    Attributes:
        began: when it was called, by the first time in its log.
        planned: number of jobs by rule.
        jobs: those begun, the last attempt of each.
        done: number of finished jobs.
        total: number of all jobs.
        ended: whether it ended.
    """

    began: datetime | None = None
    planned: dict[str, int] = field(default_factory=dict)
    jobs: dict[int, Job] = field(default_factory=dict)
    done: int = 0
    total: int = 0
    ended: bool = False

    def of(self, state: str) -> list[Job]:
        """Jobs in a state."""
        return [job for job in self.jobs.values() if job.state == state]


def newest_log(folder: Path) -> Path:
    """Log of the last run in a project folder.

    Raises:
        InputError: if there is none.
    """
    logs = sorted((folder / LOGS).glob("*.snakemake.log"))
    if not logs:
        raise InputError(f"{folder}: no run yet; name the folder that snakemake was called in")
    return logs[-1]


def read_run(lines: Iterator[str]) -> Run:
    """Read the log of a run, whether it has ended or not."""
    run, now, planning = Run(), datetime.min, False
    block: dict[str, str] | None = None
    failing = False
    for line in map(str.strip, lines):
        if (match := TIME.match(line)) and (stamp := _time(match[1])):
            now, block = stamp, None
            run.began = run.began or now
        elif line == "Job stats:":
            planning = True
        elif planning and not line:
            planning = False
        elif planning and (match := PLANNED.match(line)):
            run.planned[match[1]] = int(match[2])
        elif match := RULE.match(line):
            block, failing = {"rule": match[1]}, False
        elif FAILED.match(line):
            block, failing = {}, True
        elif block is not None and (match := KEY.match(line)):
            block[match[1] or match[3]] = match[2] or match[4]
            if failing and match[1]:
                _end(run, int(match[2]), now, "failed")
            elif not failing and "jobid" in block:
                _begin(run, block, now)
        elif match := FINISHED.match(line):
            _end(run, int(match[1]), now, "done")
        elif match := AGAIN.match(line):
            run.jobs.pop(int(match[1]), None)
        elif match := STEPS.match(line):
            run.done, run.total = int(match[1]), int(match[2])
        run.ended = run.ended or line.startswith(END)
    run.total = run.total or run.planned.pop("total", 0)
    run.planned.pop("total", None)
    return run


def _time(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, "%a %b %d %H:%M:%S %Y")
    except ValueError:  # a log of others that is quoted here
        return None


def _begin(run: Run, block: dict[str, str], now: datetime) -> None:
    job = run.jobs.setdefault(int(block["jobid"]), Job(int(block["jobid"]), block["rule"], now))
    job.wildcards = block.get("wildcards", "")
    job.log, job.benchmark = block.get("log", ""), block.get("benchmark", "")


def _end(run: Run, number: int, now: datetime, state: Literal["done", "failed"]) -> None:
    if number in run.jobs:
        run.jobs[number].ended, run.jobs[number].state = now, state
