"""Write the texts of a prompt strategy."""

import logging

from susx_job import Job, run_job


def main(job: Job) -> None:
    """Settings of the dataset, and the files that the strategy reads."""
    from susx.core.errors import listing
    from susx.manifests.classes import ClassManifest
    from susx.prompts.frequent_names import frequent_names
    from susx.prompts.strategies import build_prompts, left_to_names
    from susx.support.name_counts import read_name_counts

    classes = ClassManifest.read(job.input.classes)
    files = {
        "descriptions": job.input.descriptions or None,
        "descriptors": job.input.descriptors or None,
    }
    params = job.params
    settings = {**params.settings, **files, "keys": params.described}
    if job.input.counts:
        chosen = frequent_names(classes, read_name_counts(job.input.counts, classes))
        settings["frequent_names"] = {"pool": params.pool, **chosen}
    prompts = build_prompts(params.strategy, params.sources, classes, settings, params.files)
    prompts.write(job.output[0], classes)
    logging.info("%d texts for %d classes", sum(map(len, prompts.texts)), len(classes))
    if left := left_to_names(prompts, classes):
        logging.warning(
            "%d classes have no descriptor and are left to their names: %s",
            len(left),
            listing(left, 20),
        )


if __name__ == "__main__":
    run_job(main, globals())
