"""Draw a few-shot support set from the training images."""

import logging

from susx_job import Job, run_job


def main(job: Job) -> None:
    """The label of a support image is that of the training image."""
    from susx.manifests.classes import ClassManifest
    from susx.manifests.tables import ImageRecord, SupportRecord, read_table, write_table
    from susx.support.few_shot import draw_support

    classes = ClassManifest.read(job.input.classes)
    train = read_table(job.input.train, ImageRecord, classes.sha256)
    table = draw_support(train, classes, job.params.size, job.params.seed, job.output.images)
    write_table(job.output.manifest, table, SupportRecord)
    logging.info("%s", table.meta)


if __name__ == "__main__":
    run_job(main, globals())
