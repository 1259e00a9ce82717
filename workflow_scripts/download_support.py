"""Download candidates of the web in waves and write the support set."""

import logging

from susx_job import Job, run_job


def main(job: Job) -> None:
    """The label of a support image is the class that found it."""
    from susx.config.encoders import encoder_section
    from susx.manifests.classes import ClassManifest
    from susx.manifests.tables import SupportRecord, read_table, write_table
    from susx.support.download import ImageQuota, collect_downloads, download_images
    from susx.support.judge import judge
    from susx.support.retrieval import Candidate, merge_candidates, noting_index
    from susx.support.strategies import Selection
    from susx.support.waves import DownloadRules

    classes, params = ClassManifest.read(job.input.classes), job.params
    index: dict[str, object] = {}
    candidates = (read_table(path, Candidate, classes.sha256) for path in job.input.candidates)
    noted = noting_index(candidates, index)
    ranking, pool = merge_candidates(noted, classes, params.limit, may_lack=True)
    wanted = ImageQuota(**params.wanted)
    rules = DownloadRules(**params.rules, **params.how["fetch"])
    outcomes = download_images(ranking, wanted, rules, params.how["folder"], params.how["images"])
    chosen_by = None
    if params.encoder:
        encoder = encoder_section(**params.encoder, **params.how["encoder"])
        texts = (next(iter(job.input[name]), None) for name in ("ranking", "agreeing"))
        chosen_by = judge(encoder, Selection(**params.selection), classes, job.threads, *texts)
    images = job.output.images
    table = collect_downloads(ranking, outcomes, classes, wanted, images, chosen_by, pool)
    table.meta.update({"index": index} if index else {})
    write_table(job.output.manifest, table, SupportRecord)
    logging.info("%s", table.meta)


if __name__ == "__main__":
    run_job(main, globals())
