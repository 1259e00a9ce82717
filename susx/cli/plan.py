"""The command `susx plan`: what a run would do, take and fetch, and what it lacks."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.table import Table

from susx.cli.printing import AsJson, print_json
from susx.cli.run import snakemake_call
from susx.evaluation.table import escape

if TYPE_CHECKING:
    from susx.planning.forecast import Forecast

ACTIONS = (
    *("archive", "cleanup_metadata", "cleanup_shadow", "conda_cleanup_envs", "containerize"),
    *("conda_create_envs_only", "dag", "d3dag", "delete_all_output", "delete_temp_output"),
    *("deploy_sources", "detailed_summary", "filegraph", "generate_unit_tests", "lint"),
    *("list_changes", "list_conda_envs", "list_input_changes", "list_params_changes"),
    *("list_rules", "list_target_rules", "list_untracked", "print_compilation", "report"),
    *("rulegraph", "summary", "touch", "unlock"),
)
"""Options of Snakemake that do something else than run jobs."""
WIDTH, LEAST_WIDTH = 80, 60
"""Columns: as a terminal has them, but no fewer than the table of steps needs to be read."""


def plan(
    context: typer.Context,
    as_json: AsJson = False,
) -> None:
    """Tell what a run would do, take and fetch, and what it lacks: `snakemake` without jobs.

    Takes what `susx run` takes. Ends with 1 if something is missing.
    """
    arguments = [*context.args, "--dry-run", "--quiet", "all"]
    made = _previewed(snakemake_call(arguments, _require_run))
    if as_json:
        print_json(made.plain())
    else:
        width = min(WIDTH, max(LEAST_WIDTH, Console().width))
        _print(made, Console(width=width, highlight=False))
    if made.missing:
        raise typer.Exit(1)


def _require_run(options: Any) -> None:
    """Look whether a run is asked for.

    Raises:
        ValueError: if something else is.
    """
    for name in ACTIONS:
        if getattr(options, name, None):
            shown = name.replace("_", "-")
            raise ValueError(f"--{shown} does something else than run jobs; leave it out")


def _previewed(call: Callable[[], bool]) -> Forecast:
    from susx.workflow.previews import Previewed, previews

    logging.disable(logging.WARNING)  # Snakemake introduces itself, though it is told to be quiet
    try:
        with previews():
            call()
    except Previewed as end:
        return end.forecast
    finally:
        logging.disable(logging.NOTSET)
    raise typer.Exit(1)  # Snakemake has said why


def _print(made: Forecast, console: Console) -> None:
    from susx.planning.words import headline

    console.print(escape(headline(made)))
    if any(step.jobs for step in made.steps):
        console.print("", _steps(made), sep="\n")
    if made.downloads:
        console.print("", _downloads(made), sep="\n")
    notes = dict.fromkeys(one.note for one in made.downloads if one.note and not one.lacking)
    named = {note: [one.name for one in made.downloads if one.note == note] for note in notes}
    remarks = [f"{', '.join(names)}: {note}" for note, names in named.items()]
    lists = {"to know": remarks, "missing": made.missing, "warnings": made.warnings}
    for title, lines in lists.items():
        if lines:
            console.print(f"\n{title}:")
        for line in lines:
            console.print(f"- {escape(line)}")


def _steps(made: Forecast) -> Table:
    from susx.planning.words import amounts, rough_size, step_time

    table = Table(box=None, pad_edge=False)
    table.add_column("step", no_wrap=True)
    for name in ("jobs", "current"):
        table.add_column(name, justify="right")
    for name in ("work", "keeps", "time", "from"):
        table.add_column(name, overflow="fold")
    for step in made.steps:
        known = step.jobs and step.unknown < step.jobs
        cells = (amounts(step), rough_size(step.size) if step.size else "", step_time(step))
        counts = (str(step.jobs), str(step.current))
        table.add_row(step.step, *counts, *cells, step.basis if known else "")
    return table


def _downloads(made: Forecast) -> Table:
    from susx.planning.words import rough_size

    table = Table(box=None, pad_edge=False)
    for name in ("from elsewhere", "for", "size"):
        table.add_column(name, overflow="fold")
    for one in made.downloads:
        keys = ", ".join(key.removeprefix("config.yaml: ") for key in one.keys)
        state = "here" if one.here else "missing" if one.lacking else rough_size(one.size)
        table.add_row(escape(one.name), escape(keys), state)
    return table
