"""The short result table that a finished run prints."""

from __future__ import annotations

from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from susx.results import Difference, Result, Run, read_result


def result_table(result: Result) -> Table:
    """Build the table of a result: one row per run, accuracies in percent."""
    table = Table(
        title=f"{escape(result.dataset)}: {result.n_classes} classes, {result.n_test} test images",
        caption=_caption(result),
        box=SIMPLE_HEAD,
        pad_edge=False,
        title_justify="left",
        caption_justify="left",
    )
    for column in ("encoder", "method", "text", "support", "tuned on"):
        table.add_column(column, no_wrap=True)
    for column in ("top-1", "95 % interval", "vs zero-shot", "vs best text"):
        table.add_column(column, justify="right", no_wrap=True)
    for run in result.runs:
        table.add_row(*(escape(cell) for cell in _cells(run)))
    return table


def print_table(path: str | Path, console: Console | None = None) -> None:
    """Print the table of a result file.

    Raises:
        InputError: if the file is not a result.
    """
    console = console or Console(stderr=True)
    table = result_table(read_result(path))
    console.width = max(console.width, Console(width=1000).measure(table).maximum)
    console.print(table)


def _cells(run: Run) -> list[str]:
    tuned_on = {"nothing": run.protocol, "test": "TEST SPLIT"}.get(run.tuned_on, run.tuned_on)
    return [
        run.encoder,
        run.method,
        run.text,
        run.support or "-",
        "-" if tuned_on == "none" else tuned_on,
        f"{run.top1:.2f}",
        f"{run.ci95[0]:.1f} to {run.ci95[1]:.1f}",
        _difference(run.delta_vs_zero_shot),
        _difference(run.delta_vs_best_text),
    ]


def _difference(difference: Difference | None) -> str:
    if difference is None or difference.mean == 0 == max(map(abs, difference.ci95)):
        return "-"
    low, high = difference.ci95
    return f"{difference.mean:+.1f} ({low:+.1f} to {high:+.1f})"


def _caption(result: Result) -> str:
    unreadable = sum(counts.n_unreadable for counts in result.images.values())
    short = {name: len(c.short_classes) for name, c in result.supports.items() if c.short_classes}
    notes = [f"{unreadable} unreadable images left out"] if unreadable else []
    notes += [f"{escape(name)}: {n} classes short of images" for name, n in short.items()]
    together = dict.fromkeys(run.method for run in result.runs if run.transductive)
    if together:
        notes.append(f"{', '.join(together)}: learns from all test images at once, without labels")
    if any(run.tuned_on == "test" for run in result.runs):
        notes.append("TEST SPLIT: tuned on the test images, not comparable")
    return "; ".join(notes)
