"""Read the published features of a support set."""

import logging

from susx_job import Job, run_job


def main(job: Job) -> None:
    """One row per image; its label comes from the one-hot labels."""
    from susx.embeddings.cache import read_cache, write_cache
    from susx.manifests.classes import ClassManifest
    from susx.published.tensors import FeatureSource, read_support

    classes, source = ClassManifest.read(job.input.classes), FeatureSource(**job.params.source)
    dimension = read_cache(job.input.test).features.shape[1]
    features, labels = job.input.files
    name, shots = job.params.name, job.params.shots
    support = read_support(features, labels, name, classes, dimension, source, shots)
    write_cache(job.output[0], support)
    logging.info("%d images", len(support))


if __name__ == "__main__":
    run_job(main, globals())
