"""Fetch the published files of a split into the folder of its dataset."""

import logging

from susx_job import run_job

from susx.datasets.download import download_split


def main(job):
    """The files lie outside the output, so that what a killed job has fetched is kept."""
    found = download_split(**job.params.download, threads=job.threads)
    found.write(job.output[0])
    size = sum(found.files.values()) / 2**20
    logging.info("%d files, %.1f MiB, of %s", len(found.files), size, found.address)


if "snakemake" in globals():
    run_job(main, snakemake)
