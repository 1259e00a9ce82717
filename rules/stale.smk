"""What is stale is decided by content: `susx.artifacts`, asked once the jobs of a run are known.

Nothing of Snakemake's own reasons to run a job again is used: it is told which outputs to make.
"""

import sys

from snakemake.io import flag
from snakemake.settings.types import ExecMode, RerunTrigger

from susx.artifacts.ground import Job, Kept
from susx.artifacts.memory import Memory
from susx.artifacts.plan import plan

PLANNING_READS = 2**31
"""Bytes that are hashed at most while planning, about a second; what is beyond is left to jobs."""
SHOWN_REASONS = 12


def tell_stale(stale):
    """Say on the screen what is made again, and why.

    What is made for the first time is not told, nor what only follows from the rest.
    """
    told = [(p, r) for p, r in stale.items() if r and Path(p).exists()]
    for path, reason in told[:SHOWN_REASONS]:
        print(f"stale: {path}: {reason}", file=sys.stderr)
    if len(told) > SHOWN_REASONS:
        print(
            f"stale: and {len(told) - SHOWN_REASONS} more files",
            file=sys.stderr,
        )


def all_exist(paths):
    """Whether all of some files are there."""
    return all(Path(path).exists() for path in paths)


def refuse_lost_jobs(dag, jobs):
    """Stop if a file of the pipeline has no job that makes it.

    Snakemake drops a job whose inputs cannot be told if its output is there, and takes that for a
    source.
    """
    made = {str(path) for job in jobs for path in job.output}
    read = {str(path) for job in dag.jobs for path in job.input} | set(dag.targetfiles)
    kept = Kept(**OWN)
    for path in sorted(map(str, read - made)):
        if kept.object_of(path) or kept.receipt_file(path).exists():
            if workflow.dag_settings.allowed_rules:
                raise Refused(
                    f"--allowed-rules leaves out the rule that makes {path}; add it"
                )
            raise Refused(
                f"config.yaml: {path} was made before, but cannot be made from what is named now: "
                "a file is missing, or a name has braces; delete it, and the next call says which"
            )


def refuse_stale_report(jobs, stale):
    """Stop a report of Snakemake's that would hold what does not follow from what lies there."""
    for job in jobs:
        told = [str(path) for path in job.output if str(path) in stale]
        if told and isinstance(job.params["kept"], dict):
            why = f" ({stale[told[0]]})" if stale[told[0]] else ""
            raise Refused(
                f"{told[0]}: has to be made again{why}; run without --report first"
            )


def is_locked():
    """Whether Snakemake is about to refuse the run, as another one may be at work."""
    settings = workflow.execution_settings
    return (settings is None or settings.lock) and workflow.persistence.locked


def drop_dangling_links(jobs):
    """Remove links to objects that are gone, and let Snakemake forget that it saw them.

    It takes them for files without a time.
    """
    for output in (output for job in jobs for output in job.output):
        path = Path(output)
        if path.is_symlink() and not path.exists() and Kept(**OWN).object_of(path):
            path.unlink(missing_ok=True)
            workflow.iocache.exists_local[output] = False


def decide(dag, reporting):
    """Force the jobs whose outputs are stale, link what is found, and silence all other reasons."""
    if workflow.touch:
        raise Refused(
            "--touch: content decides what is made again, not times; leave it out"
        )
    kept, levels = Kept(**OWN), [list(level) for level in dag.toposorted()]
    jobs = [job for level in levels for job in level if not job.rule.norun]
    refuse_lost_jobs(dag, jobs)
    there = [
        job for job in jobs if job.params["kept"] == ONCE and all_exist(job.output)
    ]
    jobs = [job for job in jobs if job not in there]
    ends = [job for level in levels for job in level if job.rule.norun]
    wanted = {str(path) for job in ends for path in job.input}
    wanted |= {str(path) for job in dag.targetjobs for path in job.output}
    wanted |= {str(path) for path in dag.targetfiles}
    try:
        made = plan(
            [Job.of(job.rule.name, job.input, job.output, job.params) for job in jobs],
            wanted,
            Memory(kept.memory, PLANNING_READS),
        )
        stale = {job for job in jobs if not made.stale.keys().isdisjoint(job.output)}
        if not reporting:
            refuse_unready(stale)
        if not (workflow.dryrun or is_locked()):
            made.prepare(kept)
    except InputError as error:
        raise Refused(str(error)) from None
    if reporting:
        refuse_stale_report(jobs, made.stale)
    drop_dangling_links(jobs)
    for job in set(jobs) - stale:
        for path in job.input:
            path._file = flag(path._file, "ancient")
        for maker in stale & dag.dependencies[job].keys():  # comes out as it was
            del dag.dependencies[job][maker], dag.depending[maker][job]
    dag.forcefiles.update(made.stale)
    workflow.dag_settings.rerun_triggers = frozenset({RerunTrigger.MTIME})
    tell_stale(made.stale)


def decide_before_jobs():
    """Let Snakemake ask `decide` when it knows all jobs, and has not yet decided which to run.

    This is all that touches private parts of Snakemake; tests/workflow/test_workflow_stale.py tells
    if the pinned version changes them.
    """
    build, create_report = workflow._build_dag, workflow.create_report
    reporting = False

    def create_current_report(*arguments, **options):
        nonlocal reporting
        reporting = True
        create_report(*arguments, **options)

    def build_decided():
        dag, update = workflow.dag, workflow.dag.update_needrun
        decided = False

        async def update_decided(*arguments, **options):
            nonlocal decided
            if not decided:
                decided = True
                decide(dag, reporting)
            await update(*arguments, **options)

        dag.update_needrun = update_decided
        build()

    if workflow.exec_mode == ExecMode.DEFAULT:
        workflow._build_dag = build_decided
        workflow.create_report = create_current_report


decide_before_jobs()
