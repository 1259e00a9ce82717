"""Make the page over all datasets."""

from susx_job import run_job


def main(job):
    """Links are relative, so that the folder of results can be moved."""
    from pathlib import Path

    from susx.evaluation.schema import read_result
    from susx.report.summary import write_summary

    page = Path(job.output[0])
    links = [Path(path).relative_to(page.parent).as_posix() for path in job.input.reports]
    results = map(read_result, job.input.results)
    write_summary(str(page), list(zip(results, links, strict=True)))


if "snakemake" in globals():
    run_job(main, snakemake)
