"""Following a run, and what is said at its end: tables of results, and why jobs failed."""

import sys
from pathlib import Path

from snakemake.logging import logger
from snakemake.settings.enums import Quietness
from snakemake.settings.types import ExecMode

from susx.progress.failures import explained
from susx.progress.handler import RunHandler
from susx.progress.view_choice import run_view


report: "captions/workflow.rst"


IS_RUN = workflow.exec_mode == ExecMode.DEFAULT and not workflow.output_settings.dryrun
FOLLOWED = RunHandler(
    Path.cwd(),
    quiet=Quietness.PROGRESS in (workflow.output_settings.quiet or ()),
    retries=lambda rule: workflow.get_rule(rule).restart_times,
    view=run_view(workflow.output_settings, logger) if IS_RUN else None,
)

if IS_RUN:
    logger.addHandler(FOLLOWED)


def print_failures():
    """Print why jobs failed, below everything that was printed while others went on."""
    if lines := list(explained(FOLLOWED.run, FOLLOWED.root)):
        print("", *lines, "", sep="\n", file=sys.stderr, flush=True)


onsuccess:
    FOLLOWED.end(succeeded=True)
    print_results()


onerror:
    FOLLOWED.end()
    print_failures()
