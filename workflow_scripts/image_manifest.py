"""List and check the labelled images of a split."""

import logging

from susx_job import Job, run_job


def main(job: Job) -> None:
    """The files of the input are found again by the place."""
    from susx.datasets.download import DatasetDownload
    from susx.datasets.manifest import describe
    from susx.datasets.sources import split_manifest
    from susx.manifests.classes import ClassManifest
    from susx.manifests.tables import ImageRecord, write_table

    classes, params = ClassManifest.read(job.input.classes), job.params
    fetched = [DatasetDownload.read(path).address for path in job.input.download]
    table = split_manifest(params.place, classes, params.how["key"], job.threads, *fetched)
    write_table(job.output[0], table, ImageRecord)
    logging.info("%s", describe(table))


if __name__ == "__main__":
    run_job(main, globals())
