"""Join the evaluations of all encoders into the result of a dataset."""

from susx_job import Job, run_job


def main(job: Job) -> None:
    """The configuration that made the result goes into it, and everything that led to it."""
    from susx.core.files import read_checked, sha256_json, write_checked
    from susx.evaluation.collation import collate
    from susx.manifests.classes import ClassManifest
    from susx.prompts.strategies import PromptSet

    config = job.params.config
    classes = ClassManifest.read(job.input.classes)
    prompts = [PromptSet.read(path, classes) for path in job.input.prompts]
    provenance = {
        "config_sha256": sha256_json(config),
        "config": config,
        "identity": job.receipt.identity,
        "versions": job.receipt.packages,
    }
    parts = [read_checked(path, "delete it and run again") for path in job.input.parts]
    result = collate(job.params.dataset, classes, prompts, parts, provenance)
    write_checked(job.output[0], result)


if __name__ == "__main__":
    run_job(main, globals())
