"""Options of commands that load a classifier with its encoder."""

from typing import Annotated, Literal

import typer

MovedModel = Annotated[
    str | None, typer.Option(help="Folder or hub name of the encoder, if it was moved.")
]
Device = Annotated[
    Literal["auto", "cpu", "cuda", "mps"], typer.Option(help="Where the encoder runs.")
]
