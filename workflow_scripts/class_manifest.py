"""Write the class manifest of a dataset from a list, a text file or a dataset card."""

import logging

from susx_job import run_job

from susx.config import load_card
from susx.manifests import class_manifest, read_class_list


def main(job):
    """Names in the configuration win over those of the card."""
    dataset = job.params.dataset
    if isinstance(dataset["classes"], str):
        entries, origin = read_class_list(dataset["classes"]), dataset["classes"]
    elif dataset["classes"]:
        entries, origin = dataset["classes"], job.params.key
    else:
        entries = load_card(dataset["card"]).model_dump()["classes"]
        origin = dataset["card"]
    manifest = class_manifest(entries, origin)
    manifest.write(job.output[0])
    logging.info("%d classes, %s", len(manifest), manifest.sha256[:12])


if "snakemake" in globals():
    run_job(main, snakemake)
