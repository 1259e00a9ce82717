"""What is said at the end: tables of results, why jobs failed, and the report of Snakemake."""

import sys

from susx.progress.failures import Failure, cause, executor_messages, explained


report: "captions/workflow.rst"


CLOCKS_DIFFER = 60  # seconds, between this machine and the file server


def failed_jobs(logs):
    """Jobs that failed for good; of a group those whose logs tell of an error, if any does."""
    said = {job: text for log in logs for job, text in executor_messages(log).items()}
    since = STARTED - CLOCKS_DIFFER
    for failed in workflow.scheduler.failed:
        jobs = list(failed.jobs) if failed.is_group() else [failed]
        blamed = [job for job in jobs if job.log and cause(job.log[0], since)] or jobs
        for job in blamed:
            log = str(job.log[0]) if job.log else ""
            yield Failure(
                job.rule.name, job.wildcards_dict, log, said.get(job.jobid, ""), since
            )


def print_failures(logs):
    """Print why jobs failed, below everything that was printed while others went on."""
    if failures := sorted(failed_jobs(logs), key=lambda failure: failure.log):
        print("", *explained(failures), "", sep="\n", file=sys.stderr, flush=True)


onsuccess:
    print_results()


onerror:
    print_failures(log)
