"""Find class names in the captions of a shard."""

import logging

from susx_job import Job, run_job


def main(job: Job) -> None:
    """A caption is a candidate of every class that it names."""
    from susx.manifests.classes import ClassManifest
    from susx.manifests.tables import write_table
    from susx.pools.web import WebShard
    from susx.support.captions import NameRequest, match_captions
    from susx.support.name_counts import write_name_counts
    from susx.support.retrieval import Candidate

    requests = (
        NameRequest(ClassManifest.read(one.input.classes), one.params.limit) for one in job.members
    )
    tables = match_captions(requests, WebShard(**job.params.shard), job.params.name)
    for one, table in zip(job.members, tables, strict=True):
        write_table(one.output.candidates, table, Candidate)
        write_name_counts(one.output.names, table)
        logging.info("%d candidates", len(table.records))


if __name__ == "__main__":
    run_job(main, globals())
