"""Fetch the published files of a split into the folder of its dataset."""

import logging

from susx_job import Job, run_job


def main(job: Job) -> None:
    """The files lie outside the output, so that what a killed job has fetched is kept."""
    from susx.datasets.download import download_split

    found = download_split(**job.params.download, threads=job.threads)
    found.write(job.output[0])
    size = sum(found.files.values()) / 2**20
    logging.info("%d files, %.1f MiB, of %s", len(found.files), size, found.address)


if __name__ == "__main__":
    run_job(main, globals())
