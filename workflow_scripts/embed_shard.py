"""Embed one shard of an image pool."""

from susx_job import run_job


def main(job):
    """One row per readable image, without labels."""
    from susx.config_encoders import Encoder
    from susx.embedding import embed_shard
    from susx.pools import Shard

    encoder = Encoder(**job.params.encoder, **job.params.how["runs"])
    shard = Shard(**job.params.shard, path=job.params.how["path"])
    embed_shard(encoder, shard, job.output[0], job.threads, job.parts)


if "snakemake" in globals():
    run_job(main, snakemake)
