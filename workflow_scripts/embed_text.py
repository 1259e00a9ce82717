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

    encoder = encoder_section(**job.params.encoder, **job.params.how["runs"])
    classes = [ClassManifest.read(one.input.classes) for one in job.members]
    read = zip(job.members, classes, strict=True)
    prompts = [PromptSet.read(one.input.prompts, own) for one, own in read]
    embedded = embed_prompts(encoder, prompts)
    for one, own, texts in zip(job.members, classes, embedded, strict=True):
        text_classifier(texts, own.names)  # classes that are told apart nowhere end the run here
        write_cache(one.output[0], texts)


if __name__ == "__main__":
    run_job(main, globals())
