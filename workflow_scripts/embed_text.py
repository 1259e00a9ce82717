"""Embed the texts of a prompt strategy."""

from susx_job import Job, run_job


def main(job: Job) -> None:
    """One row per text; its label is the class."""
    from susx.config.encoders import encoder_section
    from susx.embeddings.cache import write_cache
    from susx.embeddings.embed import embed_prompts
    from susx.embeddings.text_classifier import text_classifier
    from susx.manifests.classes import ClassManifest
    from susx.prompts.strategies import PromptSet

    classes = ClassManifest.read(job.input.classes)
    prompts = PromptSet.read(job.input.prompts, classes)
    texts = embed_prompts(encoder_section(**job.params.encoder, **job.params.how["runs"]), prompts)
    text_classifier(texts, classes.names)  # classes that are told apart nowhere end the run here
    write_cache(job.output[0], texts)


if __name__ == "__main__":
    run_job(main, globals())
