"""List and check images without labels."""

import logging
from pathlib import Path

from susx_job import run_job

from susx.images import describe, examined, unlabelled_images
from susx.manifests import ClassManifest, ImageRecord, write_table


def main(job):
    """One row per image, without a label."""
    classes, key = ClassManifest.read(job.input.classes), job.params.how["key"]
    table = examined(unlabelled_images(Path(job.params.folder), key), classes, key, job.threads)
    write_table(job.output[0], table, ImageRecord)
    logging.info("%s", describe(table))


if "snakemake" in globals():
    run_job(main, snakemake)
