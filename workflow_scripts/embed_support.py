"""Embed the kept images of a support set."""

from susx_job import run_job


def main(job):
    """One row per image; its label is the class of the support manifest."""
    from susx.cache import write_cache
    from susx.config import Encoder
    from susx.embedding import embed_support
    from susx.manifests import SupportRecord, read_table

    table = read_table(job.input.manifest, SupportRecord)
    encoder, images = Encoder(**job.params.encoder), job.input.images
    embeddings = embed_support(encoder, table, images, job.threads, **job.params.views)
    write_cache(job.output[0], embeddings)


if "snakemake" in globals():
    run_job(main, snakemake)
