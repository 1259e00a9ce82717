"""Find the images of a pool shard nearest to every query."""

import logging

from susx_job import Job, run_job


def main(job: Job) -> None:
    """Queries are the text embeddings of a prompt strategy."""
    from susx.embeddings.cache import read_cache
    from susx.manifests.tables import write_table
    from susx.support.retrieval import Candidate, TextRequest, search_shard

    requests = [
        TextRequest.read(one.input.classes, one.input.queries, one.params.limit)
        for one in job.members
    ]
    pool = read_cache(job.input.pool)
    tables = search_shard(requests, pool, job.params.shard)
    for one, table in zip(job.members, tables, strict=True):
        write_table(one.output[0], table, Candidate)
        logging.info("%d candidates, %s", len(table.records), table.meta)


if __name__ == "__main__":
    run_job(main, globals())
