"""Merge the hits of all shards and write the support set."""

import logging

from susx_job import run_job

from susx.manifests import ClassManifest, SupportRecord, read_table, write_table
from susx.pools import Shard
from susx.support.retrieval import SPARE, Candidate, merge_candidates
from susx.support.selection import collect_support


def main(job):
    """The label of a support image is the class whose text found it."""
    classes = ClassManifest.read(job.input.classes)
    candidates = (read_table(path, Candidate, classes.sha256) for path in job.input.candidates)
    ranking = merge_candidates(candidates, classes, SPARE * job.params.size)
    shards = {name: Shard(**fields) for name, fields in job.params.shards.items()}
    table = collect_support(
        ranking, shards, classes, job.params.size, job.params.source, job.output.images
    )
    write_table(job.output.manifest, table, SupportRecord)
    logging.info("%s", table.meta)


if "snakemake" in globals():
    run_job(main, snakemake)
