"""The short result table that a finished run prints."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape as without_markup
from rich.table import Table

from susx.plain import plain
from susx.reported import Reported, reported_for
from susx.schema import Difference, Result, Run, SeedSpread, read_result


def escape(text: str) -> str:
    """Text that neither rich nor the terminal takes for commands."""
    return without_markup(plain(text, keep=""))


def result_table(result: Result) -> Table:
    """Build the table of a result, accuracies in percent.

    One row per run; runs that differ in their few-shot seed only share one.
    """
    rows = _rows(result)
    known = {_key(row): reported for row in rows if (reported := reported_for(row, result))}
    table = Table(
        title=f"{escape(result.dataset)}: {result.n_classes} classes, {result.n_test} test images",
        caption=_caption(result, dict.fromkeys(reported.source for reported in known.values())),
        box=SIMPLE_HEAD,
        pad_edge=False,
        title_justify="left",
        caption_justify="left",
    )
    for column in ("encoder", "method", "text", "support", "tuned on"):
        table.add_column(column, no_wrap=True)
    for column in ("top-1", "95 % interval", "vs zero-shot", "vs best text"):
        table.add_column(column, justify="right", no_wrap=True)
    for column in ("reported", "difference") if known else ():
        table.add_column(column, justify="right", no_wrap=True)
    for row in rows:
        cells = _cells(row) if isinstance(row, Run) else _spread_cells(row)
        if known:
            cells += _reported_cells(row, known.get(_key(row)))
        table.add_row(*(escape(cell) for cell in cells))
    return table


def _rows(result: Result) -> list[Run | SeedSpread]:
    """Runs in order; those that differ in their few-shot seed only are one."""
    spreads = {_key(spread): spread for spread in result.seeds}
    found = (run if run.seed is None else spreads.pop(_key(run), None) for run in result.runs)
    return [row for row in found if row is not None]


def print_table(path: str | Path, console: Console | None = None) -> None:
    """Print the table of a result file.

    Raises:
        InputError: if the file is not a result.
    """
    console = console or Console(stderr=True)
    table = result_table(read_result(path))
    console.width = max(console.width, Console(width=1000).measure(table).maximum)
    console.print(table)


def _key(case: Run | SeedSpread) -> tuple[str | None, ...]:
    return case.encoder, case.method, case.text, case.support, case.protocol


def _names(case: Run | SeedSpread) -> list[str]:
    tuned_on = {"nothing": case.protocol, "test": "TEST SPLIT"}.get(case.tuned_on, case.tuned_on)
    return [
        case.encoder,
        case.method,
        case.text,
        case.support or "-",
        "-" if tuned_on == "none" else tuned_on,
    ]


def _spread_cells(spread: SeedSpread) -> list[str]:
    deviation = "one seed"
    if spread.top1_std is not None:
        deviation = f"std {spread.top1_std:.2f}, {spread.n_seeds} seeds"
    return [*_names(spread), f"{spread.top1_mean:.2f}", deviation, "-", "-"]


def _cells(run: Run) -> list[str]:
    return [
        *_names(run),
        f"{run.top1:.2f}",
        f"{run.ci95[0]:.1f} to {run.ci95[1]:.1f}",
        _difference(run.delta_vs_zero_shot),
        _difference(run.delta_vs_best_text),
    ]


def _reported_cells(row: Run | SeedSpread, reported: Reported | None) -> list[str]:
    if reported is None:
        return ["-", "-"]
    top1 = row.top1 if isinstance(row, Run) else row.top1_mean
    return [f"{reported.top1:.2f}", f"{top1 - reported.top1:+.2f}"]


def _difference(difference: Difference | None) -> str:
    if difference is None:
        return "-"
    low, high = difference.ci95
    return f"{difference.mean:+.1f} ({low:+.1f} to {high:+.1f})"


def _caption(result: Result, sources: Iterable[str]) -> str:
    unreadable = sum(counts.n_unreadable for counts in result.images.values())
    short = {name: len(c.short_classes) for name, c in result.supports.items() if c.short_classes}
    notes = [f"{unreadable} unreadable images left out"] if unreadable else []
    notes += [f"{escape(name)}: {n} classes short of images" for name, n in short.items()]
    for name, counts in result.supports.items():
        if counts.leaks:
            fate = "left out" if counts.leaks_dropped else "kept"
            notes.append(
                f"{escape(name)}: {len(counts.leaks)} images nearly equal a test image, {fate}"
            )
    together = dict.fromkeys(run.method for run in result.runs if run.transductive)
    if together:
        names = escape(", ".join(together))
        notes.append(f"{names}: learns from all test images at once, without labels")
    if named := "; ".join(sources):
        notes.append(f"reported: {escape(named)}; prompts may differ")
    if any(run.tuned_on == "test" for run in result.runs):
        notes.append("TEST SPLIT: tuned on the test images, not comparable")
    reasons = dict.fromkeys(f"{case.method} {case.reason}" for case in result.skipped)
    notes += [f"left out: {escape(reason)}" for reason in reasons]
    return "\n".join(notes)
