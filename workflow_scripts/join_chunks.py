"""Join the chunks of a synthesised support set."""

import logging

from susx_job import Job, run_job


def main(job: Job) -> None:
    """From here on the support set is like any other."""
    from susx.manifests.classes import ClassManifest
    from susx.manifests.tables import SupportRecord, read_table, write_table
    from susx.support.synthesis import join_chunks

    classes = ClassManifest.read(job.input.classes)
    tables = [read_table(path, SupportRecord, classes.sha256) for path in job.input.manifests]
    table = join_chunks(tables, job.input.images, classes, job.params.size, job.output.images)
    write_table(job.output.manifest, table, SupportRecord)
    logging.info("%s", table.meta)


if __name__ == "__main__":
    run_job(main, globals())
