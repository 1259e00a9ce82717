"""Embed the readable images of a split."""

from susx_job import Job, run_job


def main(job: Job) -> None:
    """One row per readable image; its label is the class of the image manifest."""
    from susx.config.encoders import encoder_section
    from susx.embeddings.embed import embed_images
    from susx.manifests.tables import ImageRecord, read_table

    table = read_table(job.input.manifest, ImageRecord)
    encoder = encoder_section(**job.params.encoder, **job.params.how["runs"])
    earlier, path = job.paths.kin("manifest"), job.output[0]
    embed_images(encoder, table, path, job.threads, False, job.parts, earlier)


if __name__ == "__main__":
    run_job(main, globals())
