"""Make a file of the classifier that the configuration chooses."""

import logging

from susx_job import Job, run_job


def main(job: Job) -> None:
    """All grids and values are in published units; tuning rescales them."""
    from susx.classifier.export import classifier_line, export_classifier
    from susx.classifier.file import write_classifier
    from susx.config.encoders import encoder_section
    from susx.core.compute import flush_subnormals, pick_device
    from susx.core.files import read_checked
    from susx.evaluation.case import Case
    from susx.evaluation.files import CacheFiles
    from susx.evaluation.tuning import TuningSettings

    flush_subnormals()
    params, advice = job.params, "delete it and run again"
    paths = job.input.get("evaluation", [])
    evaluation = next((read_checked(path, advice) for path in paths), None)
    classifier = export_classifier(
        params.dataset,
        (params.name, encoder_section(**params.encoder)),
        CacheFiles.of(job.input, params.names),
        Case(**params.choice),
        TuningSettings.of({**params.tuning, "memory_mib": params.how["memory_mib"]}),
        params.leaks,
        pick_device(params.how["device"]),
        evaluation,
    )
    write_classifier(job.output[0], classifier)
    logging.info("%s", classifier_line(classifier.meta))


if __name__ == "__main__":
    run_job(main, globals())
