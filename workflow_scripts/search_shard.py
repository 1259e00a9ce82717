"""Find the images of a pool shard nearest to every query."""

import logging

from susx_job import Job, run_job


def main(job: Job) -> None:
    """Queries are the text embeddings of a prompt strategy."""
    from susx.embeddings.cache import read_cache
    from susx.manifests.classes import ClassManifest
    from susx.manifests.tables import write_table
    from susx.support.retrieval import Candidate, search_shard

    classes = ClassManifest.read(job.input.classes)
    queries = read_cache(job.input.queries, classes.sha256, len(classes))
    pool = read_cache(job.input.pool)
    table = search_shard(queries, pool, job.params.shard, job.params.limit)
    write_table(job.output[0], table, Candidate)
    logging.info("%d queries, %d images", len(queries), len(pool))


if __name__ == "__main__":
    run_job(main, globals())
