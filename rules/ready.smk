"""Whether jobs can run at all: models that are there, and packages of extras that are installed.

Looked at before the first job starts, and only for jobs that will run.
"""

from snakemake.settings.types import DeploymentMethod

from susx.core.extras import extra_problem
from susx.encoders.model_files import encoder_extra, model_problem

EXTRAS_OF_RULES = {
    "synthesise": "sd",
    "report": "report",
    "summary": "report",
    "match_captions": "web",
    "search_index": "faiss",
    "download_support": "web",
}


def encoder_of(job):
    """Encoder that a job loads, if it loads one."""
    if job.rule.name == "download_support":
        return judging_encoder(job.wildcards.support)
    return job.wildcards.encoder if job.rule.name.startswith("embed_") else None


def needed_extras(job):
    """Extras that a job needs, by what needs them."""
    name = job.rule.name
    local = name == "download_support" and local_images(job.wildcards.support)
    if name in EXTRAS_OF_RULES and not local:
        yield f"rule {name}", EXTRAS_OF_RULES[name]
    if name == "describe_classes" and language_model(job.wildcards).backend == "openai":
        yield f"config.yaml: language_models.{written(job.wildcards).model}", "llm"
    if encoder := encoder_of(job):
        if extra := encoder_extra(CONFIG.encoders[encoder]):
            yield f"config.yaml: encoders.{encoder}", extra


def model_key(job):
    """Key of what names the model that a job loads."""
    if encoder := encoder_of(job):
        return f"encoders.{encoder}"
    if job.rule.name == "describe_classes":
        return f"language_models.{written(job.wildcards).model}"
    return f"supports.{job.wildcards.support}"


def lacking_packages(jobs):
    """What jobs need that is not installed here, where they run with what is installed here."""
    settings = workflow.deployment_settings
    if settings and DeploymentMethod.CONDA in settings.deployment_method:
        return
    for who, extra in sorted({needed for job in jobs for needed in needed_extras(job)}):
        if problem := extra_problem(extra):
            yield f"{who}: {problem}"


def misplaced_models(jobs):
    """Models of encoders that are not where they seem to be, or are for another library."""
    for encoder in sorted(filter(None, {encoder_of(job) for job in jobs})):
        if problem := model_problem(CONFIG.encoders[encoder]):
            key, words = problem
            yield f"config.yaml: encoders.{encoder}.{key}: {words}"


def unpublished_models(jobs):
    """Models that are neither in the cache of the hub nor on the hub; a dry run asks no hub."""
    if workflow.dryrun:
        return
    published = {
        (model_key(job), *model)
        for job in jobs
        for model in job.params.get("hub") or ()
    }
    if published:
        from susx.encoders.hub import hub_problem  # which imports the hub's client

        for key, model, revision in sorted(published, key=str):
            if problem := hub_problem(model, revision):
                yield f"config.yaml: {key}: {model}: {problem}"


def refuse_unready(jobs):
    """Stop if a job that would run lacks a package or a model."""
    problems = [*misplaced_models(jobs)] or [*unpublished_models(jobs)]
    problems += lacking_packages(jobs)
    if problems:
        raise Refused("\n".join(problems))
