"""Draw the support images of a chunk of classes with a text-to-image model."""

import logging

from susx_job import run_job

from susx.config_synthesis import Synthesis
from susx.manifests import ClassManifest, SupportRecord, write_table
from susx.prompts import PromptSet
from susx.support.synthesis import chunk_of, forget, synthesise_chunk


def main(job):
    """Finished classes outlive a killed job; they go when the chunk is written."""
    classes = ClassManifest.read(job.input.classes)
    prompts = PromptSet.read(job.input.prompts, classes)
    settings = Synthesis(**job.params.settings, **job.params.how["runs"])
    entries = chunk_of(classes, job.params.chunk, settings.chunk)
    finished = job.parts
    table = synthesise_chunk(settings, classes, entries, prompts, finished, job.output.images)
    write_table(job.output.manifest, table, SupportRecord)
    forget(finished, entries)
    logging.info("%d images of %d classes", sum(r.kept for r in table.records), len(entries))


if "snakemake" in globals():
    run_job(main, snakemake)
