"""Make a file of the classifier that the configuration chooses."""

import logging

from susx_job import run_job


def main(job):
    """All grids and values are in published units; tuning rescales them."""
    from susx.cache_files import CacheFiles
    from susx.classifier_file import write_classifier
    from susx.compute import pick_device
    from susx.config_classifier import Choice
    from susx.config_encoders import Encoder
    from susx.export import export_classifier, summary
    from susx.files import read_checked
    from susx.tuning import Settings

    params, advice = job.params, "delete it and run again"
    paths = job.input.get("evaluation", [])
    evaluation = next((read_checked(path, advice) for path in paths), None)
    classifier = export_classifier(
        params.dataset,
        (params.name, Encoder(**params.encoder)),
        CacheFiles.of(job.input, params.names),
        Choice(**params.choice),
        Settings.of({**params.tuning, "memory_mib": params.how["memory_mib"]}),
        params.leaks,
        pick_device(params.how["device"]),
        evaluation,
    )
    write_classifier(job.output[0], classifier)
    logging.info("%s", summary(classifier.meta))


if "snakemake" in globals():
    run_job(main, snakemake)
