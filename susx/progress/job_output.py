"""Where jobs write what they say: to their logs, and to the terminal if no view is there."""

import os

WANTED = "SUSX_RUN_SHOWS_A_VIEW"
"""Set by `susx run`; `snakemake` prints what it always prints."""
VARIABLE = "SUSX_JOBS_IN_LOGS_ONLY"
"""Set by a run that shows a view, and inherited by its jobs."""


def keep_in_logs() -> None:
    """Let jobs that are started from now on write to their logs only."""
    os.environ[VARIABLE] = "1"


def is_kept_in_logs() -> bool:
    """Whether this job writes to its log only."""
    return VARIABLE in os.environ
