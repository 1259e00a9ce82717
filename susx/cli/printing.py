"""What commands print in the same way: objects for programs, lines for people, or nothing."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from susx.core.plain import plain

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print only what is wrong.")]


def print_json(value: Any) -> None:
    """Print plain values as one JSON document, in ASCII.

    ASCII reaches a program whatever the encoding of standard output, keeps file names that are no
    UTF-8, and has nothing that a terminal takes for a command.

    Raises:
        ValueError: if a number is not finite, which JSON cannot say.
    """
    print(json.dumps(value, indent=1, allow_nan=False))


def say(line: str) -> None:
    """Print a line that a terminal takes for no commands."""
    typer.echo(plain(line))


def silent(line: str) -> None:
    """Stands for `say` where a line is not wanted."""


def many(count: int, thing: str) -> str:
    """A number of things in words."""
    return f"{count:,} {thing}{'' if count == 1 else 's'}"
