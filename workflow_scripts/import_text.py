"""Read a published text classifier."""

from susx_job import Job, run_job


def main(job: Job) -> None:
    """One row per class."""
    from susx.embeddings.cache import read_cache, write_cache
    from susx.embeddings.text_classifier import text_classifier
    from susx.manifests.classes import ClassManifest
    from susx.published.tensors import FeatureSource, read_text

    classes, source = ClassManifest.read(job.input.classes), FeatureSource(**job.params.source)
    dimension = read_cache(job.input.test).features.shape[1]
    text = read_text(job.input.file, job.params.name, classes, dimension, source)
    text_classifier(text, classes.names)  # as in embed_text
    write_cache(job.output[0], text)


if __name__ == "__main__":
    run_job(main, globals())
