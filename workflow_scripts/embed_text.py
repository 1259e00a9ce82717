"""Embed the texts of a prompt strategy."""

from susx_job import run_job


def main(job):
    """One row per text; its label is the class."""
    from susx.cache import write_cache
    from susx.config_encoders import Encoder
    from susx.embedding import embed_prompts
    from susx.manifests import ClassManifest
    from susx.prompts import PromptSet

    prompts = PromptSet.read(job.input.prompts, ClassManifest.read(job.input.classes))
    encoder = Encoder(**job.params.encoder, **job.params.how["runs"])
    write_cache(job.output[0], embed_prompts(encoder, prompts))


if "snakemake" in globals():
    run_job(main, snakemake)
