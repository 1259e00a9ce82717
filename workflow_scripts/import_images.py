"""Read the published features of a split."""

import logging

from susx_job import run_job


def main(job):
    """One row per image; all splits have the dimension of the test images."""
    from susx.embeddings.cache import read_cache, write_cache
    from susx.manifests.classes import ClassManifest
    from susx.published.tensors import Source, read_images

    classes, source = ClassManifest.read(job.input.classes), Source(**job.params.source)
    dimension = read_cache(job.input.test).features.shape[1] if job.input.test else None
    images = read_images(*job.input.files, job.params.name, classes, source, dimension)
    write_cache(job.output[0], images)
    logging.info("%d images", len(images))


if "snakemake" in globals():
    run_job(main, snakemake)
