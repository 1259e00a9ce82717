"""Draw a few-shot support set from the training images."""

import logging

from susx_job import run_job

from susx.manifests.classes import ClassManifest
from susx.manifests.tables import ImageRecord, SupportRecord, read_table, write_table
from susx.support.few_shot import draw_support


def main(job):
    """The label of a support image is that of the training image."""
    classes = ClassManifest.read(job.input.classes)
    train = read_table(job.input.train, ImageRecord, classes.sha256)
    table = draw_support(train, classes, job.params.size, job.params.seed, job.output.images)
    write_table(job.output.manifest, table, SupportRecord)
    logging.info("%s", table.meta)


if "snakemake" in globals():
    run_job(main, snakemake)
