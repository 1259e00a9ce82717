"""Look closely at one row of an encoder's evaluation, for the report."""

from susx_job import Job, run_job


def main(job: Job) -> None:
    """Nothing is tuned again."""
    from susx.core.compute import flush_subnormals, pick_device
    from susx.core.files import read_checked, write_checked
    from susx.evaluation.case import Case
    from susx.evaluation.files import CacheFiles
    from susx.report.analysis import AnalysisSettings, analyse

    flush_subnormals()
    params = job.params
    analysis = analyse(
        params.dataset,
        params.encoder,
        CacheFiles.of(job.input, params.names),
        read_checked(job.input.evaluation, "delete it and run again"),
        Case(**params.row) if params.row else None,
        AnalysisSettings(**params.wanted, device=pick_device(params.how["device"])),
    )
    write_checked(job.output[0], analysis)


if __name__ == "__main__":
    run_job(main, globals())
