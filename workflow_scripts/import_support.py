"""Read the published features of a support set."""

import logging

from susx_job import run_job


def main(job):
    """One row per image; its label comes from the one-hot labels."""
    from susx.embeddings.cache import read_cache, write_cache
    from susx.manifests.classes import ClassManifest
    from susx.published.tensors import Source, read_support

    classes, source = ClassManifest.read(job.input.classes), Source(**job.params.source)
    dimension = read_cache(job.input.test).features.shape[1]
    name, shots = job.params.name, job.params.shots
    support = read_support(*job.input.files, name, classes, dimension, source, shots)
    write_cache(job.output[0], support)
    logging.info("%d images", len(support))


if "snakemake" in globals():
    run_job(main, snakemake)
