"""Render the labelled photos of the flag world."""

from pathlib import Path

from susx_job import Job, run_job


def main(job: Job) -> None:
    """One folder per class."""
    from demo.world import write_images

    params = job.params
    write_images(Path(job.output[0]), params.split, params.per_class, params.seed)


if __name__ == "__main__":
    run_job(main, globals())
