"""What a run says at its end: results, what was made and where, and what may come next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.text import Text

from susx.evaluation.schema import read_result
from susx.evaluation.table import WIDTH, print_summary
from susx.planning.evaluation import shown_files
from susx.planning.setup import Setup
from susx.progress.console import SteadyConsole


def print_ended(setup: Setup, since: float, configs: Sequence[str | Path] = ()) -> None:
    """Print the tables of the results that a run wrote, its other files, and the next command.

    Args:
        setup: of the run.
        since: when it began, in seconds since 1970.
        configs: configuration files that it was called with.
    """
    from susx.cli.show import show

    def is_new(path: Path) -> bool:
        return _is_new(path, since)

    console = SteadyConsole(stderr=True, width=WIDTH, highlight=False)
    made: list[Path] = []
    for dataset in setup.entries:
        result, predictions = map(Path, shown_files(setup, dataset))
        others = _others(Path(setup.results) / dataset)
        found = [path for path in (result, predictions, *others) if is_new(path)]
        if result in found:
            print_summary(result, console)
        elif predictions in found:
            show(predictions, console=console)
        made += found
    made += filter(is_new, [Path(setup.results) / "report.html"])
    lines = [f"made: {path}" for path in made]
    if command := _next(setup, made):
        given = " --configfile " + " ".join(map(str, configs)) if configs else ""
        lines.append(f"next: {command}{given if command.startswith('susx run') else ''}")
    for line in lines:
        console.print(Text(line), soft_wrap=True)


def print_tables(setup: Setup, since: float) -> None:
    """Print the whole tables of the results that a run wrote, and where its reports are.

    Args:
        setup: of the run.
        since: when it began, in seconds since 1970.
    """
    from susx.cli.show import show

    for dataset in setup.entries:
        shown = map(Path, shown_files(setup, dataset))
        if path := next((path for path in shown if _is_new(path, since)), None):
            show(path, console=SteadyConsole(stderr=True))
    folders = [Path(setup.results) / dataset for dataset in setup.entries]
    for folder in (*folders, Path(setup.results)):
        if _is_new(folder / "report.html", since):
            print(f"report: {folder / 'report.html'}")


def _is_new(path: Path, since: float) -> bool:
    return path.exists() and path.stat().st_mtime >= since


def _others(folder: Path) -> Iterator[Path]:
    yield folder / "report.html"
    yield from sorted((folder / "classifier").glob("*.safetensors"))


def _next(setup: Setup, made: list[Path]) -> str:
    """The command that goes on from what was made; nothing if none is known."""
    for path in reversed(made):
        if path.suffix == ".safetensors":
            return f"susx classify --classifier {path} IMAGES"
        if path.suffix == ".parquet":
            return f"susx show {path}"
    for dataset in setup.entries:
        result, report = Path(shown_files(setup, dataset)[0]), f"{setup.results}/{dataset}"
        if result in made and f"{report}/report.html" not in map(str, made):
            return f"susx run {report}/report.html"
        makes_classifier = dataset not in setup.features
        if result in made and makes_classifier and (runs := read_result(result).runs):
            return f"susx run {report}/classifier/{runs[0].encoder}.safetensors"
    return ""
