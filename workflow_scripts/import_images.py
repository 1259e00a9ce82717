"""Read the published features of a split."""

import logging

from susx_job import Job, run_job


def main(job: Job) -> None:
    """One row per image; all splits have the dimension of the test images."""
    from susx.embeddings.cache import read_cache, write_cache
    from susx.manifests.classes import ClassManifest
    from susx.published.tensors import FeatureSource, read_images

    classes, source = ClassManifest.read(job.input.classes), FeatureSource(**job.params.source)
    dimension = read_cache(job.input.test).features.shape[1] if job.input.test else None
    features, labels = job.input.files
    images = read_images(features, labels, job.params.name, classes, source, dimension)
    write_cache(job.output[0], images)
    logging.info("%d images", len(images))


if __name__ == "__main__":
    run_job(main, globals())
