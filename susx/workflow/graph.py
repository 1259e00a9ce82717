"""Snakemake's graph of jobs: which of them run is decided by content.

Nothing of Snakemake's own reasons to run a job again is used: it is told which outputs to make.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

from snakemake.io import flag
from snakemake.settings.types import DeploymentMethod, ExecMode, RerunTrigger

from susx.artifacts.ground import Job
from susx.planning.run import Decision, PlannedJob, RunJobs
from susx.planning.staleness import stale_lines
from susx.workflow.functions import refusals


def decide_before_jobs(workflow: Any, decide: Callable[[RunJobs], Decision]) -> None:
    """Let Snakemake ask `decide` when it knows all jobs, and has not yet decided which to run.

    This is all that changes private parts of Snakemake; tests/unit/workflow/test_graph.py tells if
    the pinned version has others. Jobs, which read the Snakefile once more, decide nothing.

    Args:
        workflow: Snakemake's object of that name.
        decide: finds what is stale; an `InputError` of it ends the run with the message alone.
    """
    if workflow.exec_mode != ExecMode.DEFAULT:
        return
    build, create_report = workflow._build_dag, workflow.create_report
    reports = False

    def create_current_report(*arguments: Any, **options: Any) -> None:
        nonlocal reports
        reports = True
        create_report(*arguments, **options)

    def build_decided() -> None:
        dag, update = workflow.dag, workflow.dag.update_needrun
        decided = False

        async def update_decided(*arguments: Any, **options: Any) -> None:
            nonlocal decided
            if not decided:
                decided = True
                follow(dag)
            await update(*arguments, **options)

        dag.update_needrun = update_decided
        build()

    def follow(dag: Any) -> None:
        jobs = [job for level in dag.toposorted() for job in level]
        with refusals():
            decision = decide(run_of(workflow, jobs, reports))
        for path in decision.unlinked:  # Snakemake has seen them, and is to forget that
            workflow.iocache.exists_local[path] = False
        stale = {job for job in jobs if not decision.stale.keys().isdisjoint(job.output)}
        for job in {job for job in jobs if not job.rule.norun} - stale:
            for path in job.input:
                path._file = flag(path._file, "ancient")
            for maker in stale & dag.dependencies[job].keys():  # comes out as it was
                del dag.dependencies[job][maker], dag.depending[maker][job]
        dag.forcefiles.update(decision.stale)
        workflow.dag_settings.rerun_triggers = frozenset({RerunTrigger.MTIME})
        for line in stale_lines(decision.stale):
            print(line, file=sys.stderr)

    workflow._build_dag, workflow.create_report = build_decided, create_current_report


def run_of(workflow: Any, jobs: Sequence[Any], reports: bool) -> RunJobs:
    """The run that Snakemake is about to begin, as plain values.

    Args:
        workflow: Snakemake's object of that name.
        jobs: of its graph, each behind those that it depends on.
        reports: whether a report of Snakemake's is asked for.
    """
    dag = workflow.dag
    locks = workflow.execution_settings is None or workflow.execution_settings.lock
    targets = {str(path) for path in dag.targetfiles}
    wanted = {str(path) for job in jobs if job.rule.norun for path in job.input}
    wanted |= {str(path) for job in dag.targetjobs for path in job.output}
    return RunJobs(
        jobs=[planned(job) for job in jobs if not job.rule.norun],
        read={str(path) for job in jobs for path in job.input} | targets,
        wanted=wanted | targets,
        is_dry=workflow.dryrun,
        is_locked=bool(locks and not workflow.dryrun and workflow.persistence.locked),
        is_partial=bool(workflow.dag_settings.allowed_rules),
        touches=workflow.touch,
        reports=reports,
        deploys=workflow.deployment_settings is not None
        and DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method,
    )


def planned(job: Any) -> PlannedJob:
    """A job of Snakemake's as plain values."""
    own = Job.of(job.rule.name, job.input, job.output, job.params)
    return PlannedJob(own, dict(job.wildcards_dict))
