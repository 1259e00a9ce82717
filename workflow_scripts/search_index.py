"""Find the rows of an index of faiss nearest to every query."""

import logging

from susx_job import Job, run_job


def main(job: Job) -> None:
    """Queries are the text embeddings of a prompt strategy."""
    from susx.embeddings.cache import read_cache
    from susx.manifests.classes import ClassManifest
    from susx.manifests.tables import write_table
    from susx.pools.indices import IndexShard
    from susx.support.index_search import search_index
    from susx.support.retrieval import Candidate

    classes, params = ClassManifest.read(job.input.classes), job.params
    queries = read_cache(job.input.queries, classes.sha256, len(classes))
    shard = IndexShard(**params.shard)
    table = search_index(queries, shard, params.name, params.limit, job.threads)
    write_table(job.output[0], table, Candidate)
    logging.info("%d queries, %s", len(queries), table.meta)


if __name__ == "__main__":
    run_job(main, globals())
