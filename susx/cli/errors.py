"""What a command says of bad input."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from susx.core.errors import InputError


@contextmanager
def reported_errors(*others: type[Exception]) -> Iterator[None]:
    """Print an error in one line, and end with 2.

    Args:
        others: kinds of errors that bad input raises besides `InputError`.
    """
    kinds: tuple[type[Exception], ...] = (InputError, *others)
    try:
        yield
    except kinds as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from None
