"""The command `susx progress`."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from susx.cli.errors import reported_errors
from susx.cli.printing import AsJson, print_json

PAUSE = 2.0


def progress(
    folder: Annotated[Path, typer.Argument(help="Folder that snakemake was called in.")] = Path(),
    watch: Annotated[bool, typer.Option("--watch", help="Go on until the run ends.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what the last run in a folder does, how far it is, and how long it may take."""
    from rich.live import Live

    from susx.progress.run_object import run_object
    from susx.progress.show import run_progress

    if watch and as_json:
        raise typer.BadParameter("--watch and --json exclude each other")
    console = Console()
    with reported_errors():
        if as_json:
            print_json(run_object(folder, time.time()))
            return
        run, shown = run_progress(folder, time.time())
        if not (watch and console.is_terminal):
            console.print(shown)
            return
        with Live(shown, console=console, auto_refresh=False) as live, suppress(KeyboardInterrupt):
            while run.state == "at work":
                time.sleep(PAUSE)
                run, shown = run_progress(folder, time.time())
                live.update(shown, refresh=True)
