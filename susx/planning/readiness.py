"""Whether jobs can run at all: models that are there, and packages of extras that are installed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from susx.core.errors import InputError
from susx.core.extras import extra_problem
from susx.core.hub import snapshot_folder
from susx.encoders.model_files import encoder_extra, model_problem
from susx.planning.descriptions import backend, written
from susx.planning.hub import HubAnswers
from susx.planning.run import PlannedJob
from susx.planning.setup import Setup
from susx.planning.web import judging_encoder, local_images

EXTRAS_OF_RULES = {
    "synthesise": "sd",
    "report": "report",
    "summary": "report",
    "match_captions": "web",
    "search_index": "faiss",
    "download_support": "web",
}
"""Extras that every job of a rule needs."""


def require_ready(
    setup: Setup,
    jobs: Sequence[PlannedJob],
    hub: HubAnswers | None,
    has_own_packages: bool,
    run_elsewhere: bool = False,
) -> None:
    """Look whether jobs that will run have their models and packages.

    Args:
        setup: of the run.
        jobs: that will run.
        hub: is asked for models that are not in its cache; nothing is asked without it.
        has_own_packages: whether jobs run with packages that are deployed for them, not with those
            that are installed here.
        run_elsewhere: whether jobs run on other machines.

    Raises:
        InputError: one line per problem.
    """
    problems = [*misplaced_models(setup, jobs)]
    if hub and not problems:
        problems = [*unpublished_models(setup, jobs, hub, run_elsewhere)]
    if not has_own_packages:
        problems += lacking_packages(setup, jobs)
    if problems:
        raise InputError("\n".join(problems))


def encoder_of(setup: Setup, job: PlannedJob) -> str | None:
    """Encoder that a job loads, if it loads one."""
    if job.rule == "download_support":
        return judging_encoder(setup, job.names["support"])
    return job.names["encoder"] if job.rule.startswith("embed_") else None


def needed_extras(setup: Setup, job: PlannedJob) -> Iterator[tuple[str, str]]:
    """Extras that a job needs, each behind what needs it."""
    local = job.rule == "download_support" and local_images(setup, job.names["support"])
    if job.rule in EXTRAS_OF_RULES and not local:
        yield f"rule {job.rule}", EXTRAS_OF_RULES[job.rule]
    if job.rule == "describe_classes":
        texts = job.names["dataset"], job.names["texts"]
        if extra := backend(setup, *texts).extra:
            yield f"config.yaml: language_models.{written(setup, *texts).model}", extra
    encoder = encoder_of(setup, job)
    if encoder and (extra := encoder_extra(setup.config.encoders[encoder])):
        yield f"config.yaml: encoders.{encoder}", extra


def model_key(setup: Setup, job: PlannedJob) -> str:
    """Key of what names the model that a job loads."""
    if encoder := encoder_of(setup, job):
        return f"encoders.{encoder}"
    if job.rule == "describe_classes":
        return f"language_models.{written(setup, job.names['dataset'], job.names['texts']).model}"
    return f"supports.{job.names['support']}"


def lacking_packages(setup: Setup, jobs: Iterable[PlannedJob]) -> Iterator[str]:
    """What jobs need that is not installed here."""
    for who, extra in sorted({needed for job in jobs for needed in needed_extras(setup, job)}):
        if problem := extra_problem(extra):
            yield f"{who}: {problem}"


def misplaced_models(setup: Setup, jobs: Iterable[PlannedJob]) -> Iterator[str]:
    """Models of encoders that are not where they seem to be, or are for another library."""
    for encoder in sorted(filter(None, {encoder_of(setup, job) for job in jobs})):
        if problem := model_problem(setup.config.encoders[encoder]):
            key, words = problem
            yield f"config.yaml: encoders.{encoder}.{key}: {words}"


def unpublished_models(
    setup: Setup, jobs: Iterable[PlannedJob], hub: HubAnswers, run_elsewhere: bool = False
) -> Iterator[str]:
    """Models that are neither in the cache of the hub nor on the hub.

    Args:
        setup: of the run.
        jobs: that load them.
        hub: is asked for them.
        run_elsewhere: whether other machines may reach the hub where this one does not.
    """
    loaded = {(model_key(setup, job), model) for job in jobs for model in job.hub}
    wanted = [
        (key, (name, revision, "model"))
        for key, (name, revision) in sorted(loaded, key=str)
        if not snapshot_folder(name, revision)
    ]
    told = hub.of(model for _, model in wanted)
    for key, model in wanted:
        found = told[model]
        if found.lacking and not (run_elsewhere and found.is_unreached):
            yield f"config.yaml: {key}: {model[0]}: {found.note}"
