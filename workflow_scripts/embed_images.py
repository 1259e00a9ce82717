"""Embed the readable images of a split."""

from susx_job import Job, run_job


def main(job: Job) -> None:
    """One row per readable image; its label is the class of the image manifest."""
    from susx.config.encoders import encoder_section
    from susx.embeddings.embed import embed_images
    from susx.encoders import load_encoder
    from susx.manifests.tables import ImageRecord, read_table

    settings = encoder_section(**job.params.encoder, **job.params.how["runs"])
    encoder, threads = load_encoder(settings), job.threads
    for one in job.members:
        table = read_table(one.input.manifest, ImageRecord)
        earlier, path = one.paths.kin("manifest"), one.output[0]
        embed_images(settings, table, path, threads, False, one.parts, earlier, encoder)


if __name__ == "__main__":
    run_job(main, globals())
