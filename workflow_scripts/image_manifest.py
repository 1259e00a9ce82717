"""List and check the labelled images of a split."""

import logging

from susx_job import run_job

from susx.images import describe, image_manifest
from susx.manifests import ClassManifest, ImageRecord, write_table


def main(job):
    """The first folder is the root; the others are inputs only for their modification times."""
    classes = ClassManifest.read(job.input.classes)
    folders = job.input.folders
    root = folders if isinstance(folders, str) else folders[0]
    table = image_manifest(root, classes, job.params.key, job.threads)
    write_table(job.output[0], table, ImageRecord)
    logging.info("%s", describe(table))


if "snakemake" in globals():
    run_job(main, snakemake)
