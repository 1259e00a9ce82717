"""Which output a run has: our own view, or that of Snakemake."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

from susx.progress.console import ConsoleView, SteadyConsole
from susx.progress.job_output import WANTED, keep_in_logs

OURS: tuple[set[str], ...] = ({"HOST"}, set())
"""What Snakemake is told to leave out by our profile, and by none, as it names it."""
SILENT = ({"PROGRESS", "RULES"}, {"ALL"})
"""`--quiet` alone, and `--quiet all`."""
STREAM = "DefaultStreamHandler"
"""Name of the handler by which Snakemake writes to the terminal, unless a logger plugin does."""


def run_view(settings: Any, logger: logging.Logger) -> ConsoleView | None:
    """Put the view of `susx run` in the place of Snakemake's own output; None for `snakemake`.

    That is asked for by `--verbose`, too, by `--quiet` with what to leave out, and by a logger
    plugin.

    Args:
        settings: Snakemake's `OutputSettings`.
        logger: Snakemake's logger.
    """
    if os.environ.pop(WANTED, None) is None:  # not of runs that a job may start
        return None
    quiet = {kind.name for kind in settings.quiet or ()}
    stream = next((h for h in logger.handlers if h.name == STREAM), None)
    if stream is None or settings.verbose or settings.debug_dag or settings.printshellcmds:
        return None
    if quiet not in (*OURS, *SILENT):
        return None
    logger.removeHandler(stream)
    keep_in_logs()
    return ConsoleView(
        Path.cwd(),
        SteadyConsole(stderr=True, no_color=settings.nocolor or None, highlight=False),
        is_quiet=quiet in SILENT,
    )
