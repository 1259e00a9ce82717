"""The command `susx verify`."""

from __future__ import annotations

from contextlib import chdir
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from susx.cli.errors import reported_errors
from susx.cli.printing import AsJson, Quiet, many, print_json, say
from susx.core.errors import InputError

if TYPE_CHECKING:
    from susx.verify.result import Verdict


def verify(
    file: Annotated[Path, typer.Argument(help="Result, here or copied elsewhere.")],
    project: Annotated[Path, typer.Option(help="Folder that snakemake was called in.")] = Path(),
    configfile: Annotated[
        list[Path] | None, typer.Option(help="Files that were merged over config.yaml.")
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="Read all files, whatever is remembered of them.")
    ] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Tell whether a result still follows from its sources. The exit status is 1 if not."""
    place, more = file.absolute(), [str(path.absolute()) for path in configfile or []]
    with reported_errors():
        from susx.verify.result import verify_result

        if not project.is_dir():
            raise InputError(f"{project}: folder not found")
        with chdir(project):
            verdict = verify_result(place, str(file), more, full)
    if as_json:
        print_json({"file": str(file), "follows": not verdict.changes, **asdict(verdict)})
    else:
        _print(verdict, quiet)
    if verdict.changes:
        raise typer.Exit(1)


def _print(verdict: Verdict, quiet: bool) -> None:
    for line in (*verdict.changes, *verdict.notes):
        say(line)
    if verdict.changes:
        say(f"does not follow from what lies here: {many(len(verdict.changes), 'change')}")
    elif not quiet:
        counts = f"{many(verdict.sources, 'source')}, {many(verdict.stages, 'stage')}"
        say(f"follows from what lies here: {counts}")
