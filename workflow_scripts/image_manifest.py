"""List and check the labelled images of a split."""

import logging

from susx_job import run_job

from susx.datasets.download import Download
from susx.datasets.manifest import describe
from susx.datasets.sources import split_manifest
from susx.manifests.classes import ClassManifest
from susx.manifests.tables import ImageRecord, write_table


def main(job):
    """The files of the input are found again by the place."""
    classes, params = ClassManifest.read(job.input.classes), job.params
    fetched = [Download.read(path).address for path in job.input.download]
    table = split_manifest(params.place, classes, params.how["key"], job.threads, *fetched)
    write_table(job.output[0], table, ImageRecord)
    logging.info("%s", describe(table))


if "snakemake" in globals():
    run_job(main, snakemake)
