"""Tell what is missing, unreadable or unexpected in a dataset on disk."""

import logging
from dataclasses import asdict

from susx_job import Job, run_job


def main(job: Job) -> None:
    """Problems are warnings: the report is written whatever is found."""
    from susx.core.files import write_json
    from susx.datasets.check import check_dataset, check_lines
    from susx.manifests.classes import ClassManifest

    classes = ClassManifest.read(job.input.classes)
    check = check_dataset(**job.params.dataset, classes=classes, threads=job.threads)
    write_json(job.output[0], asdict(check))
    for problem in check.problems:
        logging.warning("%s", problem)
    for line in check_lines(check):
        logging.info("%s", line)


if __name__ == "__main__":
    run_job(main, globals())
