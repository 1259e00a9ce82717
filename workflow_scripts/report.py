"""Make the report of a dataset: one page, and its figures as files."""

from susx_job import Job, run_job


def main(job: Job) -> None:
    """Receipts of what the result stands on are read as found: they are no input."""
    from susx.config.report import ReportSettings
    from susx.evaluation.schema import read_result
    from susx.report.card import share_card
    from susx.report.drawn import drawings, save_all
    from susx.report.page import ImageFiles, SupportFiles, read_analysis, write_page

    files, params = job.input, job.params
    result = read_result(files.result)
    analyses = [read_analysis(path, result.provenance["classes_sha256"]) for path in files.analyses]
    rows = zip(params.supports.items(), files.manifests, files.images, strict=True)
    queries = dict(zip(params.queried, files.queries, strict=True))
    supports = {
        name: SupportFiles(manifest, tar, entry, queries.get(name))
        for (name, entry), manifest, tar in rows
    }
    figures, card = drawings(result, analyses), share_card(result, analyses)
    save_all(figures, card, job.output.figures)
    write_page(
        job.output.page,
        result,
        analyses,
        ImageFiles(files.get("test"), supports),
        figures,
        ReportSettings(**params.settings),
        params.how["stores"],
        job.threads,
        card,
    )


if __name__ == "__main__":
    run_job(main, globals())
