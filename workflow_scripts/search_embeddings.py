"""Find the rows of a shard of published embeddings nearest to every query."""

import logging

from susx_job import Job, run_job


def main(job: Job) -> None:
    """Queries are the text embeddings of a prompt strategy."""
    from susx.manifests.tables import write_table
    from susx.pools.web import WebShard
    from susx.support.embedding_shards import search_embeddings
    from susx.support.retrieval import Candidate, TextRequest

    requests = [
        TextRequest.read(one.input.classes, one.input.queries, one.params.limit)
        for one in job.members
    ]
    params = job.params
    shard = WebShard(**params.shard)
    tables = search_embeddings(requests, shard, params.name, params.encoder)
    for one, table in zip(job.members, tables, strict=True):
        write_table(one.output[0], table, Candidate)
        logging.info("%d candidates, %s", len(table.records), table.meta)


if __name__ == "__main__":
    run_job(main, globals())
