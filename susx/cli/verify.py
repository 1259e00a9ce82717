"""The command `susx verify`."""

from __future__ import annotations

from contextlib import chdir
from pathlib import Path
from typing import Annotated

import typer

from susx.cli.errors import reported_errors
from susx.core.errors import InputError
from susx.core.plain import plain


def verify(
    file: Annotated[Path, typer.Argument(help="Result, here or copied elsewhere.")],
    project: Annotated[Path, typer.Option(help="Folder that snakemake was called in.")] = Path(),
    configfile: Annotated[
        list[Path] | None, typer.Option(help="Files that were merged over config.yaml.")
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="Read all files, whatever is remembered of them.")
    ] = False,
) -> None:
    """Tell whether a result still follows from what lies there. Ends with 1 if not."""
    place, more = file.absolute(), [str(path.absolute()) for path in configfile or []]
    with reported_errors():
        from susx.verify.result import verify_result

        if not project.is_dir():
            raise InputError(f"{project}: folder not found")
        with chdir(project):
            verdict = verify_result(place, str(file), more, full)
    for line in (*verdict.changes, *verdict.notes):
        typer.echo(plain(line))
    if verdict.changes:
        typer.echo(f"does not follow from what lies here: {_many(len(verdict.changes), 'change')}")
        raise typer.Exit(1)
    counts = f"{_many(verdict.sources, 'source')}, {_many(verdict.stages, 'stage')}"
    typer.echo(f"follows from what lies here: {counts}")


def _many(count: int, thing: str) -> str:
    return f"{count:,} {thing}{'' if count == 1 else 's'}"
