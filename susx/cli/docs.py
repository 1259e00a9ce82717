"""The command `susx docs`: the pages of the documentation, which messages name."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markdown import Markdown
from rich.table import Table

from susx.cli.errors import reported_errors
from susx.core.errors import InputError, suggestion
from susx.core.pipeline import PIPELINE

TITLE = re.compile(r"^# (.+)$", re.MULTILINE)


def docs(
    page: Annotated[
        str | None,
        typer.Argument(help="A page, such as `pools` or docs/pools.md; without one, a list."),
    ] = None,
) -> None:
    """Print a page of the documentation, as it was for this version."""
    pages = {path.stem: path for path in sorted((PIPELINE / "docs").glob("*.md"))}
    console = Console()
    if page is None:
        table = Table(box=None, pad_edge=False, show_header=False)
        for name, path in pages.items():
            table.add_row(name, _title(path.read_text("utf-8")))
        console.print(table)
        return
    with reported_errors():
        name = Path(page.partition("#")[0]).stem
        if name not in pages:
            raise InputError(f"{page}: no page{suggestion(name, pages)}; `susx docs` lists all")
        text = pages[name].read_text("utf-8")
    if console.is_terminal:
        console.print(Markdown(text))
    else:  # a program gets the page as it is written
        typer.echo(text.encode(), nl=False)


def _title(text: str) -> str:
    found = TITLE.search(text)
    return found[1] if found else ""
