"""Render the labelled photos of the flag world."""

from pathlib import Path

from susx_job import run_job


def main(job):
    """One folder per class."""
    from demo.world import write_images

    params = job.params
    write_images(Path(job.output[0]), params.split, params.per_class, params.seed)


if "snakemake" in globals():
    run_job(main, snakemake)
