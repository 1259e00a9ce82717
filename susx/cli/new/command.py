"""The command `susx new`: asks for what is missing, where someone can answer."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from susx.cli.errors import reported_errors
from susx.cli.new import ENCODER
from susx.cli.printing import Quiet, say, silent


def new(
    name: Annotated[str | None, typer.Argument(help="Name of the dataset.")] = None,
    images: Annotated[
        Path | None,
        typer.Option(help="Folder with one subfolder per class, any other folder, or CSV file."),
    ] = None,
    classes: Annotated[
        Path | None,
        typer.Option(help="Text file, one class name per line; else subfolders name the classes."),
    ] = None,
    validation: Annotated[
        Path | None, typer.Option(help="Labelled images to choose hyper-parameters on.")
    ] = None,
    unlabelled: Annotated[
        bool, typer.Option("--unlabelled", help="Subfolders of --images are not labels.")
    ] = False,
    descriptions: Annotated[
        Path | None, typer.Option(help="JSON file {class name: [sentence, ...]}.")
    ] = None,
    pool: Annotated[
        str | None, typer.Option(help="Images, tars or Parquet files to find support images in.")
    ] = None,
    synthesise: Annotated[
        Literal["paper", "fast", "demo"] | None,
        typer.Option(help="Generate support images, with a preset of docs/synthesis.md."),
    ] = None,
    encoder: Annotated[str, typer.Option(help="Model folder or hub identifier.")] = ENCODER,
    library: Annotated[str, typer.Option(help="Library that loads it.")] = "transformers",
    output: Annotated[Path | None, typer.Option(help="File to write [NAME.yaml].")] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite files.")] = False,
    quiet: Quiet = False,
) -> None:
    """Write a configuration for your own images, and print the next command."""
    tell = silent if quiet else say
    name = name or _asked("Name of the dataset", "NAME")
    images = images or Path(_asked("Images: a folder or a CSV file", "--images"))
    if classes is None and not _folders(images):
        classes = Path(_asked("Text file with one class name per line", "--classes"))
    target = output or Path(f"{name}.yaml")
    with reported_errors():
        from susx.cli.new.compose import Wishes
        from susx.cli.new.images import existing_path, look
        from susx.cli.new.pools import recognise
        from susx.cli.new.write import encoder_model, write

        found = look(images, classes, validation, unlabelled)
        wishes = Wishes(
            name=name,
            classes=str(classes or target.with_suffix(".classes.txt")),
            images=found.section,
            encoder=encoder_model(encoder),
            library=library,
            pool=recognise(pool) if pool else None,
            synthesise=synthesise,
            descriptions=str(existing_path(descriptions)) if descriptions else None,
        )
        for line in write(wishes, found, target, force):
            tell(line)


def interactive() -> bool:
    """Whether someone can answer."""
    return sys.stdin.isatty()


def _asked(question: str, option: str) -> str:
    if not interactive():
        raise typer.BadParameter("missing, and nobody to ask", param_hint=option)
    return str(typer.prompt(question))


def _folders(images: Path) -> bool:
    """Whether subfolders could name the classes; what is missing is told later."""
    return not images.exists() or (
        images.is_dir() and any(p.is_dir() and p.name[0] != "." for p in images.iterdir())
    )
