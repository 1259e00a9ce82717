"""How far single jobs are, and how long the rest of a run may take."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from susx.progress.failures import end_of
from susx.progress.run import RunJob, RunState

BAR = re.compile(
    r"(\d+)(?:/(\d+))?(?: [a-z ]+)? \[(?:\d+:)?\d+:\d\d(?:<((?:\d+:)*\d+:\d\d|\?))?,([^\[\]]*)\]"
)
UNIT = re.compile(r"([a-z][a-z ]*)/s|s/ ?([a-z][a-z ]*)")
END = 1 << 14


@dataclass(frozen=True)
class Step:
    """What the last progress bar in the log of a job says.

    Attributes:
        done: items done.
        total: all items; None where that is not known.
        left: seconds left; None where that is not known.
        unit: what is counted; empty where the bar has no speed yet.
    """

    done: int
    total: int | None
    left: float | None
    unit: str = ""


@dataclass(frozen=True)
class Estimate:
    """Time that the rest of a run takes.

    Attributes:
        seconds: for the jobs whose rule has been timed.
        untimed: number of jobs of other rules, which are left out.
    """

    seconds: float
    untimed: int


def step(log: Path, since: float) -> Step | None:
    """The last progress bar in a log; None without one, or if the log is older than the job."""
    bars = BAR.findall(end_of(log, since, END))
    if not bars:
        return None
    done, total, left, speed = bars[-1]
    named = UNIT.search(speed)
    unit = (named[1] or named[2]).strip() if named else ""
    return Step(int(done), int(total) if total else None, _seconds(left), unit)


def running_steps(running: Iterable[RunJob], root: Path) -> dict[int, Step | None]:
    """The last progress bar of jobs that run, by their number; those without a log are left out."""
    return {job.id: step(root / job.log, job.begun) for job in running if job.log}


def _seconds(clock: str) -> float | None:
    if ":" not in clock:
        return None
    seconds = 0
    for part in clock.split(":"):
        seconds = 60 * seconds + int(part)
    return float(seconds)


def timed(folder: Path, rule: str) -> float | None:
    """Mean seconds of a rule's jobs in earlier runs, by their benchmark files."""
    seconds = []
    for path in (folder / "benchmarks" / rule).rglob("*.tsv"):
        lines = path.read_text("utf-8", "replace").splitlines()
        cell = lines[1].split("\t")[0] if len(lines) > 1 else ""
        if re.fullmatch(r"\d+(\.\d+)?", cell):
            seconds.append(float(cell))
    return sum(seconds) / len(seconds) if seconds else None


def estimate_left(
    run: RunState, now: float, steps: Mapping[int, Step | None], earlier: Mapping[str, float | None]
) -> Estimate:
    """Estimate the time left.

    Every job takes the mean of its rule in this run, or else in earlier ones; a running one what
    its own progress bar says. As many run side by side as did so far, on average.

    Args:
        run: the run.
        now: the present, in seconds since 1970.
        steps: progress of jobs that run, by number.
        earlier: mean seconds of rules in earlier runs.
    """
    work, longest, untimed = 0.0, 0.0, 0
    begun = [job for job in run.jobs.values() if job.state != "again"]
    for rule, planned in run.planned.items():
        jobs = [job for job in begun if job.rule == rule]
        finished = [_busy(job, now) for job in jobs if job.state == "done"]
        mean = sum(finished) / len(finished) if finished else earlier.get(rule)
        waiting = planned - len(jobs)
        if mean is None:
            untimed += waiting
        else:
            work += waiting * mean
        for job in (job for job in jobs if job.state == "begun"):
            seen = steps.get(job.id)
            left = seen.left if seen and seen.left is not None else None
            if left is None and mean is None:
                untimed += 1
                continue
            left = max(0.0, (mean or 0.0) - _busy(job, now)) if left is None else left
            work, longest = work + left, max(longest, left)
    elapsed = now - run.began if run.began else 0.0
    busy = sum(_busy(job, now) for job in run.jobs.values())
    side_by_side = max(1.0, busy / elapsed) if elapsed > 0 else 1.0
    return Estimate(max(work / side_by_side, longest), untimed)


def _busy(job: RunJob, now: float) -> float:
    return (job.ended or now) - job.begun
