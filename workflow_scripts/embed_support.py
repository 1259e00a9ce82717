"""Embed the kept images of a support set."""

from susx_job import Job, run_job


def main(job: Job) -> None:
    """One row per image; its label is the class of the support manifest."""
    from susx.config.encoders import encoder_section
    from susx.embeddings.embed import embed_support
    from susx.manifests.tables import SupportRecord, read_table

    table = read_table(job.input.manifest, SupportRecord)
    encoder = encoder_section(**job.params.encoder, **job.params.how["runs"])
    embed_support(
        encoder,
        table,
        job.input.images,
        job.output[0],
        job.threads,
        **job.params.views,
        parts=job.parts,
        earlier=job.paths.kin("manifest", "images"),
    )


if __name__ == "__main__":
    run_job(main, globals())
