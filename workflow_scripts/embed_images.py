"""Embed the readable images of a split."""

from susx_job import run_job


def main(job):
    """One row per readable image; its label is the class of the image manifest."""
    from susx.config import Encoder
    from susx.embedding import embed_images
    from susx.manifests import ImageRecord, read_table

    table = read_table(job.input.manifest, ImageRecord)
    embed_images(Encoder(**job.params.encoder), table, job.output[0], job.threads)


if "snakemake" in globals():
    run_job(main, snakemake)
