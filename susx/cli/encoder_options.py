"""Arguments and options of commands that take a classifier, with or without its encoder."""

from pathlib import Path
from typing import Annotated, Literal

import typer

ClassifierFile = Annotated[Path, typer.Argument(help="Classifier file.")]
MovedModel = Annotated[
    str | None, typer.Option(help="Folder or hub name of the encoder, if it was moved.")
]
Device = Annotated[
    Literal["auto", "cpu", "cuda", "mps"], typer.Option(help="Where the encoder runs.")
]
