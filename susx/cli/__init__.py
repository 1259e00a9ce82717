"""The command `susx`: set up and start a run, classify images, show what a file holds."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

import susx as package
from susx.cli.cache import app as cache
from susx.cli.clip_benchmark import clip_benchmark
from susx.cli.docs import docs
from susx.cli.encoder_options import Device, MovedModel
from susx.cli.errors import reported_errors
from susx.cli.images import image_paths
from susx.cli.init import init, snakefile
from susx.cli.new.command import new as new_project
from susx.cli.onnx import onnx
from susx.cli.plan import plan
from susx.cli.printing import AsJson, print_json
from susx.cli.progress import progress
from susx.cli.push import push
from susx.cli.run import run
from susx.cli.serve import serve
from susx.cli.show import ROWS, percent_text, show
from susx.cli.verify import verify
from susx.evaluation.table import escape

if TYPE_CHECKING:
    from susx.classifier.classifier import Predictions

AS_SNAKEMAKE = {"allow_extra_args": True, "ignore_unknown_options": True}
"""Commands that hand on what they do not know to Snakemake."""
IMAGES = "Images, folders of images, quoted patterns; - reads paths from standard input."
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What a spreadsheet takes for the beginning of a formula (OWASP, CSV injection)."""

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(is_asked: bool) -> None:
    if is_asked:
        print(f"susx {package.__version__}")
        raise typer.Exit


@app.callback()
def susx(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Training-free image classifiers from class names alone."""


app.command("init")(init)
app.command("new")(new_project)
app.command("plan", context_settings=AS_SNAKEMAKE)(plan)
app.command("run", context_settings=AS_SNAKEMAKE)(run)
app.command("snakefile")(snakefile)
app.command("docs")(docs)
app.command("progress")(progress)
app.command("verify")(verify)
app.command("serve")(serve)
app.command("clip-benchmark")(clip_benchmark)
app.command("push")(push)
app.command("onnx")(onnx)
app.add_typer(cache, name="cache")


@app.command("classify")
def classify(
    images: Annotated[list[Path], typer.Argument(help=IMAGES)],
    classifier: Annotated[Path, typer.Option(help="Classifier file.")],
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    top: Annotated[int, typer.Option(min=1, max=5, help="Classes per image.")] = 3,
    model: MovedModel = None,
    device: Device = "auto",
    batch_size: Annotated[int | None, typer.Option(min=1, help="Images per pass.")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Images decoded at once.")] = None,
) -> None:
    """Classify images. The exit status is 1 if any cannot be read."""
    if as_json and as_csv:
        raise typer.BadParameter("--json and --csv exclude each other")
    with reported_errors():
        from susx.classifier.file import load_classifier

        paths = image_paths(images)
        loaded = load_classifier(classifier, model, device)
        found = loaded.predict(paths, batch_size, threads)
    if as_json:
        print_json(_objects(paths, found, top))
    elif as_csv:
        _write_csv(paths, found, top)
    else:
        _print_table(paths, found, top)
    if any(found.reasons):
        raise typer.Exit(1)


@app.command("show")
def show_file(
    file: Annotated[Path, typer.Argument(help="Any file that the pipeline writes.")],
    rows: Annotated[
        int | None,
        typer.Option(min=1, help=f"Rows of a table of images [{ROWS}; with --json all]."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Print what a file of the pipeline holds."""
    with reported_errors():
        if not as_json:
            return show(file, rows or ROWS, Console())
        from susx.cli.show_json import shown_object

        print_json(shown_object(file, rows))


def cell(text: str) -> str:
    """Text for a CSV file that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(FORMULA) else text


def _objects(paths: list[Path], found: Predictions, top: int) -> list[dict[str, Any]]:
    """What JSON output says of every image."""
    objects = []
    for place, (path, reason) in enumerate(zip(paths, found.reasons, strict=True)):
        best = [{"name": name, "probability": p} for name, p in found.top(place, top)]
        said: dict[str, Any] = {"reason": reason} if reason else {"classes": best}
        objects.append({"image": str(path), **said})
    return objects


def _write_csv(paths: list[Path], found: Predictions, top: int) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    ranks = range(1, min(top, found.ranks.shape[1]) + 1)
    writer.writerow(["image", *(f"{kind}{i}" for i in ranks for kind in ("class", "p")), "reason"])
    for place, (path, reason) in enumerate(zip(paths, found.reasons, strict=True)):
        best = [part for name, p in found.top(place, top) for part in (cell(name), f"{p:.6f}")]
        writer.writerow([cell(str(path)), *(best or [""] * 2 * len(ranks)), cell(reason)])


def _print_table(paths: list[Path], found: Predictions, top: int) -> None:
    table = Table(box=None, pad_edge=False)
    table.add_column("image", overflow="fold")
    table.add_column("classes and probabilities in percent", overflow="fold")
    for place, (path, reason) in enumerate(zip(paths, found.reasons, strict=True)):
        best = ", ".join(f"{name} {percent_text(p)}" for name, p in found.top(place, top))
        table.add_row(escape(str(path)), escape(f"unreadable: {reason}" if reason else best))
    Console().print(table)
