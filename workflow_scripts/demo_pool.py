"""Render one shard of the flag world's web pool."""

from pathlib import Path

from susx_job import run_job


def main(job):
    """A webdataset tar of captioned images."""
    from demo.world import write_pool_shard

    params = job.params
    shard = int(job.wildcards.tar)
    write_pool_shard(Path(job.output[0]), shard, params.size, params.seed)


if "snakemake" in globals():
    run_job(main, snakemake)
