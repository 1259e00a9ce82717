"""What a run makes again: what is stale by content, unless the run cannot go on at all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from pathlib import Path

from susx.artifacts.companions import note_companions
from susx.artifacts.ground import Job, Storage
from susx.artifacts.memory import Memory
from susx.artifacts.plan import WorkPlan, plan_work
from susx.core.errors import InputError
from susx.planning.companions import companions
from susx.planning.forecast import Forecast, forecast
from susx.planning.gaps import Gaps
from susx.planning.hub import HubAnswers
from susx.planning.imports import shared_imports
from susx.planning.readiness import require_ready
from susx.planning.run import Decision, PlannedJob, RunJobs
from susx.planning.setup import Setup
from susx.planning.words import first_screen

ONCE = "once"
"""What rules call `kept` where that which is there is a source, whoever made it."""
PLANNING_READS = 2**31
"""Bytes that are hashed at most while planning, about a second; what is beyond is left to jobs."""
SHOWN_REASONS = 12
"""Files that are told with their reasons: half a screen of 24 lines."""


def decide(setup: Setup, run: RunJobs) -> Decision:
    """Find what has to be made, and link what is found in a store unless nothing is to be made.

    Raises:
        InputError: if the run cannot do what it is asked for.
    """
    if run.touches:
        raise InputError("--touch: content decides what is made again, not times; leave it out")
    kept = Storage(setup.work, setup.stores)
    require_makers(run, kept)
    jobs, made = _compared(run, kept)
    hub = HubAnswers()
    stale = [job for job in jobs if not made.stale.keys().isdisjoint(job.outputs)]
    if not run.reports:
        require_ready(
            setup,
            stale,
            None if run.is_dry else hub,
            has_own_packages=run.deploys,
            run_elsewhere=run.is_remote,
        )
    together: list[list[Job]] = []
    shared: Mapping[str, Sequence[str]] = {}
    if not (run.is_dry or run.is_locked):
        made.prepare(kept)
        if not run.is_cut:  # Snakemake takes a job that waits for one that follows from it
            groups = companions(setup, stale, run.is_remote)
            together = [[job.job for job in group] for group in groups]
        note_companions(kept, together)
        if not (run.is_remote or run.deploys or run.reports):
            shared = shared_imports(stale)
    if run.reports:
        require_current(jobs, made.stale)
    told = [*stale_lines(made.stale)]
    if not (run.is_dry or run.is_locked or run.is_quiet or run.reports):
        told += _outlook(setup, run, made.stale, hub)
    names = [[job.name for job in group] for group in together]
    return Decision(made.stale, drop_dangling_links(jobs, kept), told, names, shared)


def preview(setup: Setup, run: RunJobs) -> Forecast:
    """Look ahead at a run, of which nothing is made or linked.

    Args:
        setup: with `gaps`, where everything is noted that would end the run.
        run: its jobs, without those whose inputs are missing.
    """
    kept = Storage(setup.work, setup.stores)
    gaps = setup.gaps or Gaps()
    stale: Set[str] = {path for job in run.jobs if not is_source(job) for path in job.outputs}
    try:
        require_makers(run, kept)
        stale = _compared(run, kept)[1].stale.keys()
    except InputError as error:
        gaps.note(str(error))
    return forecast(setup, run.jobs, stale, HubAnswers(), sorted(run.wanted), run.deploys)


def _compared(run: RunJobs, kept: Storage) -> tuple[list[PlannedJob], WorkPlan]:
    jobs = [job for job in run.jobs if not is_source(job)]
    budget = Memory(kept.memory, PLANNING_READS)
    return jobs, plan_work([job.job for job in jobs], run.wanted, budget)


def _outlook(setup: Setup, run: RunJobs, stale: Mapping[str, str], hub: HubAnswers) -> list[str]:
    """What a run begins with; an error in estimating is shown, and stops no run."""
    try:
        return [*first_screen(forecast(setup, run.jobs, stale.keys(), hub, (), run.deploys))]
    except Exception as error:
        return [f"plan: no estimate ({type(error).__name__}: {error})"]


def is_source(job: PlannedJob) -> bool:
    """Whether the outputs of a job are there and are not made again, whatever they are."""
    there = (Path(path).exists() for path in job.outputs)
    return job.job.params["kept"] == ONCE and all(there)


def require_makers(run: RunJobs, kept: Storage) -> None:
    """Look whether every file of the pipeline that is read has a job that makes it.

    Snakemake drops a job whose inputs cannot be told if its output is there, and takes that for a
    source.

    Raises:
        InputError: naming a file that has none.
    """
    made = {path for job in run.jobs for path in job.outputs}
    for path in sorted(run.read - made):
        if kept.object_of(path) or kept.receipt_file(path).exists():
            if run.is_partial:
                raise InputError(f"--allowed-rules leaves out the rule that makes {path}; add it")
            raise InputError(
                f"config.yaml: {path} was made before, but cannot be made from what is named now: "
                "a file is missing, or a name has braces; delete it, and the next call says which"
            )


def require_current(jobs: Sequence[PlannedJob], stale: Mapping[str, str]) -> None:
    """Look whether a report of Snakemake's holds what follows from what lies there.

    Raises:
        InputError: naming a file that does not.
    """
    for job in jobs:
        told = next((path for path in job.outputs if path in stale), None)
        if told and job.job.kept:
            why = f" ({stale[told]})" if stale[told] else ""
            raise InputError(f"{told}: has to be made again{why}; run without --report first")


def drop_dangling_links(jobs: Sequence[PlannedJob], kept: Storage) -> list[str]:
    """Remove links to objects that are gone, which Snakemake takes for files without a time."""
    removed = []
    for name in (path for job in jobs for path in job.outputs):
        path = Path(name)
        if path.is_symlink() and not path.exists() and kept.object_of(name):
            path.unlink(missing_ok=True)
            removed.append(name)
    return removed


def stale_lines(stale: Mapping[str, str]) -> Iterator[str]:
    """Say what is made again, and why, one line per file.

    What is made for the first time is not told, nor what only follows from the rest.
    """
    reasons = [(path, reason) for path, reason in stale.items() if reason and Path(path).exists()]
    for path, reason in reasons[:SHOWN_REASONS]:
        yield f"stale: {path}: {reason}"
    if len(reasons) > SHOWN_REASONS:
        yield f"stale: and {len(reasons) - SHOWN_REASONS} more files"
