"""The short result table that a finished run prints."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape as without_markup
from rich.table import Table
from rich.text import Text

from susx.core.errors import listing
from susx.core.plain import plain
from susx.core.rounding import decimal
from susx.evaluation.facts import BatchFacts
from susx.evaluation.reported import ReportedAccuracy, reported_for
from susx.evaluation.schema import BatchRun, Difference, Result, Run, SeedSpread, read_result
from susx.evaluation.tuning_words import TEST_SPLIT, tuned_on_words

WIDTH = 80
"""Columns of a terminal, for what is printed unasked."""
LEAST_P = 0.001
"""Below it a p-value is only said to be so, as is usual."""


def escape(text: str) -> str:
    """Text that neither rich nor the terminal takes for commands."""
    return without_markup(plain(text, keep=""))


def result_table(result: Result) -> Table:
    """Build the table of a result, accuracies in percent.

    One row per run; runs that differ in their few-shot seed only share one.
    """
    rows = table_rows(result)
    known = {case_key(row): reported for row in rows if (reported := reported_for(row, result))}
    table = _table(
        f"{result.dataset}: {result.n_classes} classes, {result.n_test} test images",
        notes(result, dict.fromkeys(reported.source for reported in known.values())),
    )
    for column in ("top-1", "95 % interval", "vs zero-shot", "vs best text", "Holm p"):
        table.add_column(column, justify="right", no_wrap=True)
    for column in ("reported", "difference") if known else ():
        table.add_column(column, justify="right", no_wrap=True)
    for row in rows:
        cells = _cells(row) if isinstance(row, Run) else _spread_cells(row)
        if known:
            cells += _reported_cells(row, known.get(case_key(row)))
        table.add_row(*(escape(cell) for cell in cells))
    return table


def batch_table(result: Result) -> Table:
    """Build the table of accuracies on batches: a row per case, a column per protocol."""
    table = _table(f"{result.dataset}: batches of test images", batch_notes(result))
    for name in result.batches:
        table.add_column(escape(name), justify="right", no_wrap=True)
    cases: dict[tuple[str, ...], dict[str, BatchRun]] = {}
    for row in result.batch_runs:
        names = row.encoder, row.method, row.text, row.drawn or "-", tuned_on(row)
        cases.setdefault(names, {})[row.batches] = row
    for case, own in cases.items():
        found = [own.get(name) for name in result.batches]
        cells = ["-" if row is None else _mean_text(row) for row in found]
        table.add_row(*(escape(cell) for cell in (*case, *cells)))
    return table


def batch_notes(result: Result) -> Iterator[str]:
    """What the protocols of batches are, one sentence each, and who learns from a batch."""
    for name, facts in result.batches.items():
        yield f"{name}: {_drawn_text(facts)}, seed {facts.settings.seed}"
    if any(row.top1_std is not None for row in result.batch_runs):
        yield "mean of tasks and their standard deviation, in percent"
    anew = [row.method for row in result.batch_runs if row.batchwise and not row.keeps_state]
    if named := dict.fromkeys(anew):
        yield f"{', '.join(named)}: ran on every batch anew"
    if named := dict.fromkeys(row.method for row in result.batch_runs if row.keeps_state):
        yield f"{', '.join(named)}: kept their state over every stream, in its order"
    if named := dict.fromkeys(row.method for row in result.batch_runs if not row.batchwise):
        yield f"{', '.join(named)}: classified single images"


def _drawn_text(facts: BatchFacts) -> str:
    settings = facts.settings
    if settings.draw != "few-classes":
        kind: str = settings.draw
        if settings.concentration is not None:
            kind += f" (Dirichlet {settings.concentration:g})"
        return f"{facts.n_tasks} {kind} streams in batches of {settings.size}"
    low, high = settings.classes
    text = f"{facts.n_tasks} batches of up to {settings.size} images of {low} to {high} classes"
    if unknown := len(facts.unknown_classes):
        text += f", {settings.mixed:.0%} of them of {unknown} unknown ones, not counted"
    return text


def _mean_text(row: BatchRun) -> str:
    spread = "" if row.top1_std is None else f" ± {decimal(row.top1_std)}"
    return decimal(row.top1_mean, 2) + spread


def _table(title: str, sentences: Iterable[str]) -> Table:
    """An empty table with the columns that name a case."""
    table = Table(
        title=escape(title),
        caption="\n".join(map(escape, sentences)),
        box=SIMPLE_HEAD,
        pad_edge=False,
        title_justify="left",
        caption_justify="left",
    )
    for column in ("encoder", "method", "text", "support", "tuned on"):
        table.add_column(column, no_wrap=True)
    return table


def table_rows(result: Result) -> list[Run | SeedSpread]:
    """Runs in order; those that differ in their few-shot seed only are one."""
    spreads = {case_key(spread): spread for spread in result.seeds}
    found = (run if run.seed is None else spreads.pop(case_key(run), None) for run in result.runs)
    return [row for row in found if row is not None]


def print_table(path: str | Path, console: Console | None = None) -> None:
    """Print the table of a result file, and that of batches if it has any.

    Raises:
        InputError: if the file is not a result.
    """
    console = console or Console(stderr=True)
    result = read_result(path)
    tables = [result_table(result), *([batch_table(result)] if result.batches else [])]
    for table in tables:
        console.width = max(console.width, Console(width=1000).measure(table).maximum)
        console.print(table)


def print_summary(path: str | Path, console: Console) -> None:
    """Print accuracies of a result within the console's width; `print_table` prints all of it.

    Raises:
        InputError: if the file is not a result.
    """
    result = read_result(path)
    console.print(_summary(result))
    for sentence in [*notes(result, []), *batch_notes(result)]:
        console.print(Text(plain(sentence, keep="")))


def _summary(result: Result) -> Table:
    """Top-1 of the rows, and its mean difference from zero-shot."""
    rows = table_rows(result)
    encoders = list(dict.fromkeys(row.encoder for row in rows))
    title = f"{result.dataset}: {result.n_classes} classes, {result.n_test} test images"
    if len(encoders) == 1:
        title += f", {encoders[0]}"
    # Names of the demo and of most datasets leave one space between columns, and fold nowhere.
    table = Table(
        title=escape(title),
        box=None,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        title_justify="left",
    )
    skipped = len(encoders) == 1
    for column in ("encoder", "method", "text", "support", "tuned on")[skipped:]:
        is_long = column in ("encoder", "text", "support")  # names of the configuration
        table.add_column(column, overflow="fold", no_wrap=not is_long)
    for column in ("top-1", "95 % interval", "vs zero-shot"):
        table.add_column(column, justify="right", no_wrap=True)
    for row in rows:
        cells = _cells(row) if isinstance(row, Run) else _spread_cells(row)
        gain = row.delta_vs_zero_shot if isinstance(row, Run) else None
        shown = [*cells[skipped:7], decimal(gain.mean, sign=True) if gain else "-"]
        table.add_row(*map(escape, shown))
    return table


def case_key(case: Run | SeedSpread) -> tuple[str | None, ...]:
    """What tells the rows of a table apart."""
    return case.encoder, case.method, case.text, case.support, case.protocol


def tuned_on(case: Run | SeedSpread | BatchRun) -> str:
    """What the column of that name says of a row."""
    return tuned_on_words(case.protocol, case.tuned_on)


def _names(case: Run | SeedSpread) -> list[str]:
    return [case.encoder, case.method, case.text, case.support or "-", tuned_on(case)]


def deviation(spread: SeedSpread) -> str:
    """How much few-shot seeds differ."""
    if spread.top1_std is None:
        return "one seed"
    return f"std {decimal(spread.top1_std, 2)}, {spread.n_seeds} seeds"


def _spread_cells(spread: SeedSpread) -> list[str]:
    return [*_names(spread), decimal(spread.top1_mean, 2), deviation(spread), "-", "-", "-"]


def _cells(run: Run) -> list[str]:
    return [
        *_names(run),
        decimal(run.top1, 2),
        f"{decimal(run.ci95[0])} to {decimal(run.ci95[1])}",
        difference_text(run.delta_vs_zero_shot),
        difference_text(run.delta_vs_best_text),
        p_text(run.delta_vs_best_text),
    ]


def _reported_cells(row: Run | SeedSpread, reported: ReportedAccuracy | None) -> list[str]:
    if reported is None:
        return ["-", "-"]
    top1 = row.top1 if isinstance(row, Run) else row.top1_mean
    return [decimal(reported.top1, 2), decimal(top1 - reported.top1, 2, sign=True)]


def difference_text(difference: Difference | None) -> str:
    """A difference in points with its interval."""
    if difference is None:
        return "-"
    mean, low, high = (decimal(v, sign=True) for v in (difference.mean, *difference.ci95))
    return f"{mean} ({low} to {high})"


def tested(difference: Difference | None) -> bool:
    """Whether a difference has a p-value among those of its table."""
    return difference is not None and difference.holm_p is not None


def p_text(difference: Difference | None) -> str:
    """The p-value of a difference among all of its table."""
    if difference is None or difference.holm_p is None:
        return "-"
    return p_value(difference.holm_p)


def p_value(p: float) -> str:
    """A p-value as it is commonly written."""
    return f"{p:.3f}" if p >= LEAST_P else f"< {LEAST_P}"


def notes(result: Result, sources: Iterable[str]) -> Iterator[str]:
    """What a reader of the table must know, one sentence each.

    Args:
        result: the result.
        sources: who reported the accuracies that are shown beside measured ones.
    """
    if unreadable := sum(counts.n_unreadable for counts in result.images.values()):
        yield f"{unreadable} unreadable images left out"
    for split, images in result.images.items():
        if names := images.classes_without_images:
            unknown = "; mean per class is unknown" if split == "test" else ""
            n = "1 class" if len(names) == 1 else f"{len(names)} classes"
            yield f"{split}: {n} without images: {listing(names, 6)}{unknown}"
    for name, counts in result.supports.items():
        if counts.short_classes:
            yield f"{name}: {len(counts.short_classes)} classes short of images"
    for name, counts in result.supports.items():
        if counts.leaks:
            fate = "left out" if counts.leaks_dropped else "kept"
            yield f"{name}: {len(counts.leaks)} images nearly equal a test image, {fate}"
    for run in result.runs:
        if run.expected_top1:
            shares = [decimal(share) for share in run.expected_top1.values()]
            yield (
                f"{run.method} {run.text} {run.support or ''}".strip()
                + " expects, without a label, {} by text, {} with the support set, {} with the "
                "unlabelled images".format(*shares)
            )
    if compared := sum(tested(run.delta_vs_best_text) for run in result.runs):
        yield (
            "Holm p: McNemar's test against the best text-only row, adjusted for "
            f"{compared} comparison{'s' * (compared > 1)} with it"
        )
    if together := dict.fromkeys(run.method for run in result.runs if run.transductive):
        yield f"{', '.join(together)}: learns from all test images at once, without labels"
    for method, what in dict.fromkeys((r.method, what) for r in result.runs for what in r.assumes):
        yield f"{method}: assumes {what}"
    if named := "; ".join(sources):
        yield f"reported: {named}; prompts may differ"
    if any(run.tuned_on == "test" for run in result.runs):
        yield f"{TEST_SPLIT}: tuned on the test images, not comparable"
    for reason in dict.fromkeys(f"{case.method} {case.reason}" for case in result.skipped):
        yield f"left out: {reason}"
