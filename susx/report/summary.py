"""results/report.html: methods by datasets, with links to the report of each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from susx.core.files import atomic
from susx.evaluation.schema import Result
from susx.report.render import render
from susx.report.results_table import ResultTable, TableRow, result_rows

SummaryKey = tuple[str, ...]


@dataclass(frozen=True)
class Column:
    """A dataset: its name, the address of its report beside this page, and its table."""

    name: str
    link: str | None
    n_classes: int
    n_test: int
    table: ResultTable


@dataclass(frozen=True)
class Line:
    """A method in one setting: its rows by dataset, None where it was not run.

    Attributes:
        first: any of the rows; it names the setting.
        rows: one per dataset.
        mean: of top-1 accuracy, None unless it was run on all datasets.
        mean_delta: of the difference to zero-shot, likewise.
        on_test: whether any of the rows is tuned on its test images.
    """

    first: TableRow
    rows: Sequence[TableRow | None]
    mean: float | None
    mean_delta: float | None
    on_test: bool


def write_summary(path: str, results: Iterable[tuple[Result, str | None]]) -> None:
    """Write the page over all datasets.

    Args:
        path: HTML file to write.
        results: of every dataset, with the address of its report relative to `path`, if it has one.

    Raises:
        InputError: if a package is missing.
    """
    columns = [
        Column(result.dataset, link, result.n_classes, result.n_test, result_rows(result))
        for result, link in results
    ]
    text = render("summary.html.j2", columns=columns, lines=summary_lines(columns))
    with atomic(path) as temporary:
        temporary.write_text(text, "utf-8")


def summary_lines(columns: Sequence[Column]) -> list[Line]:
    """Join the rows of all datasets that are the same method in the same setting.

    Where nothing but the protocol tells that one dataset is tuned on its test images, the line
    still holds both; the row says so.
    """
    known = [{_setting(row): row for row in column.table.rows} for column in columns]
    settings = dict.fromkeys(setting for rows in known for setting in rows)
    return [_line([rows.get(setting) for rows in known]) for setting in settings]


def _setting(row: TableRow) -> SummaryKey:
    return (row.encoder, row.method, row.text, row.support, row.protocol)


def _line(rows: Sequence[TableRow | None]) -> Line:
    there = [row for row in rows if row]
    deltas = [row.delta.mean for row in there if row.delta]
    return Line(
        there[0],
        rows,
        fmean(row.top1 for row in there) if len(there) == len(rows) else None,
        fmean(deltas) if len(deltas) == len(rows) else None,
        any(row.on_test for row in there),
    )
