"""What a command says of bad input."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from susx.core.errors import InputError
from susx.core.extras import EXTRAS

NO_PIPELINE = (
    "this command needs the pipeline, of which {} is not installed: pip install 'susx[pipeline]'"
)


@contextmanager
def reported_errors(*others: type[Exception]) -> Iterator[None]:
    """Print an error in one line, and end with 2.

    A package that an extra has is one, too, and so is what the system says of a path: that its name
    is too long, that a folder is closed.

    Args:
        others: kinds of errors that bad input raises besides `InputError`.
    """
    kinds: tuple[type[Exception], ...] = (InputError, *others)
    try:
        yield
    except kinds as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from None
    except OSError as error:
        if error.filename is None:  # a pipe that nobody reads any more, among others
            raise
        typer.echo(f"error: {error.filename}: {error.strerror}", err=True)
        raise typer.Exit(2) from None
    except ModuleNotFoundError as error:
        module = (error.name or "").partition(".")[0]
        if module not in EXTRAS["pipeline"]:
            raise
        typer.echo(f"error: {NO_PIPELINE.format(module)}", err=True)
        raise typer.Exit(2) from None
