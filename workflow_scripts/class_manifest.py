"""Write the class manifest of a dataset from a list, a text file or a dataset card."""

import logging

from susx_job import run_job

from susx.manifests.names import named_classes


def main(job):
    """Names in the configuration win over those of the card."""
    manifest = named_classes(**job.params.dataset, key=job.params.key)
    manifest.write(job.output[0])
    logging.info("%d classes, %s", len(manifest), manifest.sha256[:12])


if "snakemake" in globals():
    run_job(main, snakemake)
