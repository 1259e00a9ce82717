"""List and check images without labels."""

import logging
from pathlib import Path

from susx_job import Job, run_job


def main(job: Job) -> None:
    """One row per image, without a label."""
    from susx.datasets.manifest import describe, examined
    from susx.images.listing import unlabelled_images
    from susx.manifests.classes import ClassManifest
    from susx.manifests.tables import ImageRecord, write_table

    classes, key = ClassManifest.read(job.input.classes), job.params.how["key"]
    table = examined(unlabelled_images(Path(job.params.folder), key), classes, key, job.threads)
    write_table(job.output[0], table, ImageRecord)
    logging.info("%s", describe(table))


if __name__ == "__main__":
    run_job(main, globals())
