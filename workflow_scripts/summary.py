"""Make the page over all datasets."""

from pathlib import Path

from susx_job import Job, run_job


def main(job: Job) -> None:
    """Links are relative, so that the folder of results can be moved."""
    from susx.evaluation.schema import read_result
    from susx.report.summary import write_summary

    page = Path(job.output[0])
    links = [Path(path).relative_to(page.parent).as_posix() for path in job.input.reports]
    results = map(read_result, job.input.results)
    write_summary(str(page), list(zip(results, links, strict=True)))


if __name__ == "__main__":
    run_job(main, globals())
