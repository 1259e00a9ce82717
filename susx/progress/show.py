"""Progress of a run as a table."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from susx.evaluation.table import escape
from susx.progress.estimate import Step, estimate, step, timed
from susx.progress.failures import cause
from susx.progress.run import Job, Run, newest_log, read_run


def progress(folder: Path, now: datetime) -> tuple[Run, RenderableType]:
    """Look at the last run in a project folder.

    Returns:
        The run, and what to print of it.

    Raises:
        InputError: if there is none.
    """
    log = newest_log(folder)
    with log.open(encoding="utf-8", errors="replace") as lines:
        run = read_run(lines)
    running = run.of("begun")
    steps = {job.id: step(folder / job.log, job.begun) for job in running if job.log}
    parts: list[RenderableType] = [Text(_headline(run, folder, steps, now, log))]
    if running and not run.ended:
        parts.append(_jobs(running, steps, folder, now))
    for job in run.of("failed"):
        why = cause(folder / job.log, job.begun.timestamp()) or "no error in its log"
        parts.append(Text(f"failed: {job.rule} ({job.wildcards}): {why.splitlines()[0]}"))
        parts.append(Text(f"  log: {job.log}"))
    return run, Group(*parts)


def _headline(
    run: Run, folder: Path, steps: dict[int, Step | None], now: datetime, log: Path
) -> str:
    failed = f", {len(run.of('failed'))} failed" if run.of("failed") else ""
    count = f"{run.done} of {run.total} jobs done{failed}"
    if run.ended:
        return f"ended: {count}"
    if run.began is None:
        return "planning: no job has begun"
    earlier = {rule: timed(folder, rule) for rule in run.planned}
    left = estimate(run, now, steps, earlier)
    rest = f", not counting {left.untimed} jobs never timed" if left.untimed else ""
    quiet = (now - datetime.fromtimestamp(_last_sign(run, folder, log))).total_seconds()
    return (
        f"{count}; {duration((now - run.began).total_seconds())} so far, roughly "
        f"{duration(left.seconds)} left{rest}; last line written {duration(quiet)} ago"
    )


def _last_sign(run: Run, folder: Path, log: Path) -> float:
    logs = [log, *(folder / job.log for job in run.of("begun") if job.log)]
    return max(path.stat().st_mtime for path in logs if path.exists())


def _jobs(running: list[Job], steps: dict[int, Step | None], folder: Path, now: datetime) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("rule", "of", "for", "done", "left"):
        table.add_column(name, overflow="fold")
    for job in running:
        seen = steps.get(job.id)
        table.add_row(
            job.rule,
            escape(job.wildcards),
            duration((now - job.begun).total_seconds()),
            _done(seen) if seen else ("" if _started(job, folder) else "waiting"),
            duration(seen.left) if seen and seen.left is not None else "",
        )
    return table


def _started(job: Job, folder: Path) -> bool:
    log = folder / job.log
    return log.exists() and log.stat().st_mtime >= job.begun.timestamp()


def _done(seen: Step) -> str:
    return f"{seen.done:,}" + (f" of {seen.total:,}" if seen.total else "")


def duration(seconds: float) -> str:
    """Time in words: seconds below two minutes, minutes below two hours, else hours."""
    if seconds < 120:
        return f"{max(0, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
