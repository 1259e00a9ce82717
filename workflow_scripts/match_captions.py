"""Find class names in the captions of a shard."""

import logging

from susx_job import Job, run_job


def main(job: Job) -> None:
    """A caption is a candidate of every class that it names."""
    from susx.manifests.classes import ClassManifest
    from susx.manifests.tables import write_table
    from susx.pools.web import WebShard
    from susx.support.captions import match_captions
    from susx.support.name_counts import write_name_counts
    from susx.support.retrieval import Candidate

    classes, shard = ClassManifest.read(job.input.classes), WebShard(**job.params.shard)
    table = match_captions(classes, shard, job.params.name, job.params.limit)
    write_table(job.output.candidates, table, Candidate)
    write_name_counts(job.output.names, table)
    logging.info("%d candidates", len(table.records))


if __name__ == "__main__":
    run_job(main, globals())
