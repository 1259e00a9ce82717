"""Embed one shard of an image pool."""

from susx_job import run_job


def main(job):
    """One row per readable image, without labels."""
    from susx.cache import write_cache
    from susx.config import Encoder
    from susx.embedding import embed_shard
    from susx.pools import Shard

    encoder, shard = Encoder(**job.params.encoder), Shard(**job.params.shard)
    write_cache(job.output[0], embed_shard(encoder, shard, job.threads))


if "snakemake" in globals():
    run_job(main, snakemake)
