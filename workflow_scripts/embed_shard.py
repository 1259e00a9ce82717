"""Embed one shard of an image pool."""

from susx_job import Job, run_job


def main(job: Job) -> None:
    """One row per readable image, without labels."""
    from susx.config.encoders import encoder_section
    from susx.embeddings.embed import embed_shard
    from susx.pools.shards import Shard

    encoder = encoder_section(**job.params.encoder, **job.params.how["runs"])
    shard = Shard(**job.params.shard, path=job.params.how["path"])
    embed_shard(encoder, shard, job.output[0], job.threads, job.parts)


if __name__ == "__main__":
    run_job(main, globals())
