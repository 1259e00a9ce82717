"""List and check images without labels."""

import logging
from pathlib import Path

from susx_job import run_job

from susx.images import describe, examined, unlabelled_images
from susx.manifests import ClassManifest, ImageRecord, write_table


def main(job):
    """The folders of the input are there only for their modification times."""
    classes, params = ClassManifest.read(job.input.classes), job.params
    listing = unlabelled_images(Path(params.folder), params.key)
    table = examined(listing, classes, params.key, job.threads)
    write_table(job.output[0], table, ImageRecord)
    logging.info("%s", describe(table))


if "snakemake" in globals():
    run_job(main, snakemake)
