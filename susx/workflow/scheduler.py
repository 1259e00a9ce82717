"""Snakemake's scheduler, where it tells nobody of failures, looks for jobs far too often, and is
ended on the spot when its terminal is closed."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterable
from typing import Any

from snakemake.scheduling.job_scheduler import JobScheduler


def tell_failures(told: Callable[[Iterable[Any]], None]) -> None:
    """Call `told` with the jobs that have failed for good, as soon as they have.

    Args:
        told: gets jobs of Snakemake; those that it makes ready are started next.
    """
    handle_error = JobScheduler._handle_error

    def handled(scheduler: Any, job: Any, *arguments: Any, **options: Any) -> None:
        handle_error(scheduler, job, *arguments, **options)
        if job in scheduler.failed:
            told(job if job.is_group() else [job])

    JobScheduler._handle_error = handled


def end_with_terminal() -> None:
    """Let a run whose terminal is closed end as one that is interrupted: jobs end, locks go.

    One that ignores it, as under nohup, goes on.
    """
    if signal.getsignal(signal.SIGHUP) == signal.SIG_DFL:
        signal.signal(signal.SIGHUP, signal.default_int_handler)


def look_once_per_span() -> None:
    """Let a run look for jobs to start once per span of its limit of jobs, and when a job ends.

    As it is, every job that ends begins a row of looks, one per span until the end of the run, so
    that a run of a thousand jobs looks a thousand times a second; and the end of a run waits for
    the last of them.
    """
    JobScheduler._schedule_reevalutation = _look_later


def _look_later(scheduler: Any, delay: float) -> None:
    if getattr(scheduler, "_looks_later", False):
        return
    scheduler._looks_later = True

    def look() -> None:
        scheduler._looks_later = False
        scheduler._open_jobs.release()

    timer = threading.Timer(delay, look)
    timer.daemon = True
    timer.start()
