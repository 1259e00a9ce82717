"""Merge the hits of all shards, choose among them, and write the support set."""

import logging

from susx_job import Job, run_job


def main(job: Job) -> None:
    """The label of a support image is the class whose text found it."""
    from susx.embeddings.text_classifier import read_classifier
    from susx.manifests.classes import ClassManifest
    from susx.manifests.tables import SupportRecord, read_table, write_table
    from susx.pools.shards import Shard
    from susx.support.retrieval import Candidate, merge_candidates
    from susx.support.selection import candidate_features, collect_support
    from susx.support.strategies import Selection

    classes = ClassManifest.read(job.input.classes)
    candidates = (read_table(path, Candidate, classes.sha256) for path in job.input.candidates)
    ranking, pool = merge_candidates(candidates, classes, job.params.limit)
    shards = {name: Shard(**fields) for name, fields in job.params.shards.items()}
    features = dict(zip(shards, job.input.features, strict=False))
    texts = next(iter(job.input.text), None)
    rows = candidate_features(ranking, features, texts) if features else None
    text = read_classifier(texts, classes).weights if texts else None
    selection, source = Selection(**job.params.selection), job.params.source
    images = job.output.images
    table = collect_support(ranking, shards, classes, selection, source, images, rows, text, pool)
    write_table(job.output.manifest, table, SupportRecord)
    logging.info("%s", table.meta)


if __name__ == "__main__":
    run_job(main, globals())
