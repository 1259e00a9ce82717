"""Progress of a run as a table."""

from __future__ import annotations

from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from susx.evaluation.table import escape
from susx.progress.estimate import Step, estimate_left, running_steps, timed
from susx.progress.failures import blamed, failure_reason
from susx.progress.files import last_file, read_run
from susx.progress.run import RunJob, RunState


def run_progress(root: Path, now: float) -> tuple[RunState, RenderableType]:
    """Look at the last run in a project folder.

    Args:
        root: the folder that snakemake was called in.
        now: the present, in seconds since 1970.

    Returns:
        The run, and what to print of it.

    Raises:
        InputError: if there is none, or its file is damaged.
    """
    file = last_file(root)
    run = read_run(file)
    running = run.of("begun")
    steps = running_steps(running, root)
    parts: list[RenderableType] = [Text(_headline(run, root, steps, now, file))]
    if running and not run.quiet:
        parts.append(_jobs(running, steps, root, now))
    for job in blamed(run, root):
        parts.append(Text(f"failed: {job.name}: {failure_reason(job, root).splitlines()[0]}"))
        parts.append(Text(f"  log: {job.log}"))
    return run, Group(*parts)


def _headline(
    run: RunState, root: Path, steps: dict[int, Step | None], now: float, file: Path
) -> str:
    counts = {state: len(run.of(state)) for state in ("failed", "unfinished")}
    others = "".join(f", {count} {state}" for state, count in counts.items() if count)
    done = f"{len(run.of('done'))} of {run.total} jobs done{others}"
    quiet = f"last line written {rough_duration(now - _last_sign(run, root, file))} ago"
    if run.state == "ended":
        return f"ended: {done}"
    if run.state == "broken off":
        return f"broken off, as by a kill: {done}; {quiet}"
    if run.began is None:
        return "planning: no job has begun"
    if run.quiet:
        begun = f"{len(run.jobs)} of {run.total} jobs begun{others}"
        return f"{begun}; with --quiet Snakemake does not tell which are done; {quiet}"
    earlier = {rule: timed(root, rule) for rule in run.planned}
    left = estimate_left(run, now, steps, earlier)
    rest = f", not counting {left.untimed} jobs never timed" if left.untimed else ""
    return (
        f"{done}; {rough_duration(now - run.began)} so far, roughly "
        f"{rough_duration(left.seconds)} left{rest}; {quiet}"
    )


def _last_sign(run: RunState, root: Path, file: Path) -> float:
    logs = [file, *(root / job.log for job in run.jobs.values() if job.log and not job.ended)]
    return max(path.stat().st_mtime for path in logs if path.exists())


def _jobs(running: list[RunJob], steps: dict[int, Step | None], root: Path, now: float) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("rule", "of", "for", "done", "left"):
        table.add_column(name, overflow="fold")
    for job in running:
        seen = steps.get(job.id)
        table.add_row(
            job.rule,
            escape(job.values),
            rough_duration(now - job.begun),
            _done(seen) if seen else ("" if _started(job, root) else "waiting"),
            rough_duration(seen.left) if seen and seen.left is not None else "",
        )
    return table


def _started(job: RunJob, root: Path) -> bool:
    log = root / job.log
    return log.exists() and log.stat().st_mtime >= job.begun


def _done(seen: Step) -> str:
    return f"{seen.done:,}" + (f" of {seen.total:,}" if seen.total else "")


def rough_duration(seconds: float) -> str:
    """Time in words: seconds below two minutes, minutes below two hours, else hours."""
    if seconds < 120:
        return f"{max(0, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
