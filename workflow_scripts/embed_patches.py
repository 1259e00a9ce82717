"""Embed the patches of the readable images of a split."""

from susx_job import run_job


def main(job):
    """One row per readable image, with all its patches."""
    from susx.cache import write_cache
    from susx.config import Encoder
    from susx.embedding import embed_images
    from susx.manifests import ImageRecord, read_table

    table = read_table(job.input.manifest, ImageRecord)
    embeddings = embed_images(Encoder(**job.params.encoder), table, job.threads, patches=True)
    write_cache(job.output[0], embeddings)


if "snakemake" in globals():
    run_job(main, snakemake)
