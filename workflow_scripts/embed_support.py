"""Embed the kept images of a support set."""

from susx_job import run_job


def main(job):
    """One row per image; its label is the class of the support manifest."""
    from susx.config.encoders import Encoder
    from susx.embeddings.embed import embed_support
    from susx.manifests.tables import SupportRecord, read_table

    table = read_table(job.input.manifest, SupportRecord)
    encoder = Encoder(**job.params.encoder, **job.params.how["runs"])
    images, path, views = job.input.images, job.output[0], job.params.views
    more = {"parts": job.parts, "earlier": job.kin("manifest", "images")}
    embed_support(encoder, table, images, path, job.threads, **views, **more)


if "snakemake" in globals():
    run_job(main, snakemake)
