"""Progress of a run as plain values, for programs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from susx.progress.estimate import Step, estimate_left, running_steps, timed
from susx.progress.failures import blamed, failure_reason
from susx.progress.files import last_file, read_run
from susx.progress.run import RunJob

FORMAT = "susx-progress-1"


def run_object(root: Path, now: float) -> dict[str, Any]:
    """What the last run in a project folder does, as plain values.

    Args:
        root: the folder that snakemake was called in.
        now: the present, in seconds since 1970.

    Returns:
        `state`; `jobs` by what became of them, of which `done` is None where Snakemake does not
        tell; `seconds` since the first job, and an estimate of those left, without `untimed` jobs;
        the jobs that run, and those that failed. What is not known is None.

    Raises:
        InputError: if there is none, or its file is damaged.
    """
    run = read_run(last_file(root))
    running = run.of("begun")
    steps = running_steps(running, root)
    at_work = run.state == "at work" and run.began is not None
    left = None
    if at_work and not run.quiet:
        left = estimate_left(run, now, steps, {rule: timed(root, rule) for rule in run.planned})
    counts: dict[str, int | None] = {
        "total": run.total,
        "done": None if run.quiet else len(run.of("done")),
        "running": None if run.quiet else len(running),
        "failed": len(run.of("failed")),
        "unfinished": len(run.of("unfinished")),
    }
    return {
        "format": FORMAT,
        "state": run.state,
        "jobs": counts,
        "seconds": now - run.began if at_work and run.began is not None else None,
        "seconds_left": left and left.seconds,
        "untimed": left and left.untimed,
        "running": [] if run.quiet else [_running(job, steps.get(job.id), now) for job in running],
        "failed": [
            _named(job) | {"reason": failure_reason(job, root), "log": job.log}
            for job in blamed(run, root)
        ],
    }


def _named(job: RunJob) -> dict[str, Any]:
    return {"rule": job.rule, "wildcards": dict(job.wildcards)}


def _running(job: RunJob, seen: Step | None, now: float) -> dict[str, Any]:
    """A job with what its own progress bar says of items, if it has one."""
    return _named(job) | {
        "seconds": now - job.begun,
        "items_done": seen and seen.done,
        "items": seen and seen.total,
        "seconds_left": seen and seen.left,
    }
