"""Render one shard of the flag world's web pool."""

from susx_job import Job, run_job


def main(job: Job) -> None:
    """A webdataset tar of captioned images."""
    from demo.world import write_pool_shard
    from susx.core.files import atomic

    params = job.params
    with atomic(job.output[0]) as temporary:
        write_pool_shard(temporary, params.tar, params.size, params.seed)


if __name__ == "__main__":
    run_job(main, globals())
