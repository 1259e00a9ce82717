"""Join what a language model wrote about chunks of classes, without the junk."""

import logging

from susx_job import run_job

from susx.descriptions import join_replies
from susx.files import write_checked
from susx.manifests import ClassManifest


def main(job):
    """Log what was kept and what was dropped, with the reasons."""
    classes = ClassManifest.read(job.input.classes)
    data = join_replies(job.params.texts, classes, job.input.chunks)
    write_checked(job.output[0], data)
    counts = data["provenance"]
    logging.info("%d kept, dropped: %s", counts["n_kept"], counts["n_dropped"])
    empty = [name for name, texts in data["texts"].items() if not texts]
    if empty:
        logging.warning("nothing usable about %d classes: %s", len(empty), empty)


if "snakemake" in globals():
    run_job(main, snakemake)
