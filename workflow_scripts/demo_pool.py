"""Render one shard of the flag world's web pool."""

from susx_job import run_job

from susx.core.files import atomic


def main(job):
    """A webdataset tar of captioned images."""
    from demo.world import write_pool_shard

    params = job.params
    with atomic(job.output[0]) as temporary:
        write_pool_shard(temporary, params.tar, params.size, params.seed)


if "snakemake" in globals():
    run_job(main, snakemake)
