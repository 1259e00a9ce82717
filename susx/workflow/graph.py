"""Snakemake's graph of jobs: which of them run is decided by content.

Nothing of Snakemake's own reasons to run a job again is used: it is told which outputs to make.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from textwrap import shorten
from typing import Any

from snakemake.exceptions import (
    AmbiguousRuleException,
    CyclicGraphException,
    IOException,
    LockException,
    MissingRuleException,
)
from snakemake.io import flag, get_wildcard_constraints, is_flagged, strip_wildcard_constraints
from snakemake.settings.enums import Quietness
from snakemake.settings.types import DeploymentMethod, ExecMode, RerunTrigger

from susx.artifacts.companions import companions_of
from susx.artifacts.ground import Job
from susx.planning.run import Decision, PlannedJob, RunJobs
from susx.planning.targets import RULES_ONLY, PathForm, Rules, Wish
from susx.workflow.forks import start_as_forks
from susx.workflow.functions import RefusedRun, refusals
from susx.workflow.scheduler import end_with_terminal, look_once_per_span, tell_failures
from susx.workflow.waits import Waits

UNPLANNABLE = (AmbiguousRuleException, CyclicGraphException, IOException, MissingRuleException)
"""What Snakemake says of jobs that do not fit together, on a page that lists all their files."""
LESS_SAID = {Quietness.ALL, Quietness.PROGRESS, Quietness.RULES}
"""What `--quiet` stands for; the default profile leaves out Snakemake's words on the host alone."""
LONGEST = 1000
"""Characters of that which are shown: rule, wildcards and the first files."""
LOCKED = (
    "{}: is locked: another run is at work here, or one was killed; wait for it, or unlock the "
    "folder with --unlock"
)


def decide_before_jobs(
    workflow: Any,
    decide: Callable[[RunJobs], Decision],
    require: Callable[[Rules, Sequence[Wish]], None],
) -> None:
    """Let Snakemake ask `decide` when it knows all jobs, and has not yet decided which to run.

    This, `Waits` and `scheduler` are all that changes private parts of Snakemake;
    tests/unit/workflow/test_graph.py tells if the pinned version has others. Jobs, which read the
    Snakefile once more, decide nothing.

    Args:
        workflow: Snakemake's object of that name.
        decide: finds what is stale; an `InputError` of it ends the run with the message alone.
        require: refuses, in the same way, what is asked for and what no rule makes.
    """
    look_once_per_span()
    if workflow.exec_mode != ExecMode.DEFAULT:
        on_known_jobs(workflow, lambda dag: Waits(dag).add(noted_groups(dag)))
        return
    end_with_terminal()
    execute, create_report = workflow.execute, workflow.create_report
    reports = False

    @cache
    def require_asked() -> None:
        if wishes := [*unmade(workflow)]:
            with refusals():
                require(rules_of(workflow), wishes)

    def execute_asked(*arguments: Any, **options: Any) -> None:
        require_asked()  # Snakemake begins with a page about itself
        try:
            with refusals():
                execute(*arguments, **options)
        except LockException:
            raise RefusedRun(LOCKED.format(Path.cwd())) from None

    def create_current_report(*arguments: Any, **options: Any) -> None:
        nonlocal reports
        reports = True
        create_report(*arguments, **options)

    def follow(dag: Any) -> None:
        jobs = [job for level in dag.toposorted() for job in level]
        with refusals():
            decision = decide(run_of(workflow, jobs, reports))
        for path in decision.unlinked:  # Snakemake has seen them, and is to forget that
            workflow.iocache.exists_local[path] = False
        stale = {job for job in jobs if not decision.stale.keys().isdisjoint(job.output)}
        for job in {job for job in jobs if is_own(job)} - stale:
            for path in job.input:
                path._file = flag(path._file, "ancient")
            for maker in stale & dag.dependencies[job].keys():  # comes out as it was
                del dag.dependencies[job][maker], dag.depending[maker][job]
        dag.forcefiles.update(decision.stale)
        workflow.dag_settings.rerun_triggers = frozenset({RerunTrigger.MTIME})
        waits = Waits(dag)
        waits.add(decision.together)
        tell_failures(waits.end)
        start_as_forks(decision.imports)
        for line in decision.told:
            print(line, file=sys.stderr)

    workflow.execute, workflow.create_report = execute_asked, create_current_report
    on_known_jobs(workflow, follow, require_asked)


def on_known_jobs(
    workflow: Any, follow: Callable[[Any], None], begin: Callable[[], None] = lambda: None
) -> None:
    """Call `follow` with Snakemake's graph, once, before it decides which of its jobs to run.

    Args:
        workflow: Snakemake's object of that name.
        follow: may change the graph.
        begin: is called before the graph is built.
    """
    build = workflow._build_dag

    def build_decided() -> None:
        begin()
        dag, update = workflow.dag, workflow.dag.update_needrun
        decided = False

        async def update_decided(*arguments: Any, **options: Any) -> None:
            nonlocal decided
            if not decided:
                decided = True
                follow(dag)
            await update(*arguments, **options)

        dag.update_needrun = update_decided
        workflow.dag_settings.force_incomplete = True  # what was cut short is simply made again
        try:
            build()
        except UNPLANNABLE as error:
            raise RefusedRun(shorten(str(error), LONGEST)) from None

    workflow._build_dag = build_decided


def noted_groups(dag: Any) -> list[list[str]]:
    """Jobs that read the same, as the plan of the run noted them, by their first outputs.

    Args:
        dag: Snakemake's graph of the jobs that one call of a scheduler runs.
    """
    own = [planned(job).job for job in dag.jobs if is_own(job)]
    return [[job.name, *(other.name for other in companions_of(job))] for job in own]


def unmade(workflow: Any) -> Iterator[Wish]:
    """Names of the call that no rule has or makes.

    Args:
        workflow: Snakemake's object of that name.
    """
    asked, scheduling = workflow.dag_settings, workflow.scheduling_settings
    names = {
        "": asked.targets,
        "--forcerun": asked.forcerun,
        "--omit-from": asked.omit_from,
        "--prioritize": scheduling and scheduling.prioritytargets,
        "--until": asked.until,
        RULES_ONLY: asked.allowed_rules,
    }
    for option, name in [(key, name) for key, given in names.items() for name in given or ()]:
        if workflow.is_rule(name):
            if not option and workflow.get_rule(name).has_wildcards():
                yield Wish(name)
        elif option == RULES_ONLY:
            yield Wish(name, option)
        else:
            path = os.path.relpath(name) if name and not Path(name).is_absolute() else name
            if not any(rule.is_producer(path) for rule in workflow.rules):
                yield Wish(path, option)


def rules_of(workflow: Any) -> Rules:
    """What rules make, as plain values.

    Args:
        workflow: Snakemake's object of that name.
    """
    return Rules({rule.name: [*map(form_of, rule.output)] for rule in workflow.rules})


def form_of(output: Any) -> PathForm:
    """The form of a rule's output."""
    allowed = {name: found.pattern for name, found in get_wildcard_constraints(output).items()}
    return PathForm(strip_wildcard_constraints(output), allowed, is_flagged(output, "report"))


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
    wanted = {str(path) for job in jobs if not is_own(job) for path in job.input}
    wanted |= {str(path) for job in dag.targetjobs for path in job.output}
    return RunJobs(
        jobs=[planned(job) for job in jobs if is_own(job)],
        read={str(path) for job in jobs for path in job.input} | targets,
        wanted=wanted | targets,
        is_dry=workflow.dryrun,
        is_locked=bool(locks and not workflow.dryrun and workflow.persistence.locked),
        is_partial=bool(workflow.dag_settings.allowed_rules),
        is_cut=bool(workflow.dag_settings.until or workflow.dag_settings.omit_from),
        touches=workflow.touch,
        reports=reports,
        deploys=workflow.deployment_settings is not None
        and DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method,
        is_remote=not workflow.local_exec,
        is_quiet=not LESS_SAID.isdisjoint(workflow.output_settings.quiet or ()),
    )


def is_own(job: Any) -> bool:
    """Whether a job makes something, and its rule is one of this workflow's.

    All of these say where outputs are kept. Others are of a workflow that takes this one as a
    module; Snakemake decides on them, by the times of their files.

    Args:
        job: of Snakemake.
    """
    return "kept" in job.params.keys()  # noqa: SIM118  # it is a list, too


def planned(job: Any) -> PlannedJob:
    """A job of Snakemake's as plain values."""
    own = Job.of(job.rule.name, job.input, job.output, job.params)
    return PlannedJob(own, dict(job.wildcards_dict))
