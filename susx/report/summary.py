"""results/report.html: methods by datasets, with links to the report of each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from susx.core.files import atomic
from susx.evaluation.schema import Result
from susx.report.lines import summary_lines
from susx.report.ranking import rank_tables
from susx.report.render import render
from susx.report.results_table import ResultTable, result_rows


@dataclass(frozen=True)
class Column:
    """A dataset: its name, the address of its report beside this page, and its table."""

    name: str
    link: str | None
    n_classes: int
    n_test: int
    table: ResultTable


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
    lines = summary_lines([column.table for column in columns])
    ranks = list(rank_tables(lines, len(columns)))
    best = [column.table.best for column in columns]
    text = render("summary.html.j2", columns=columns, lines=lines, ranks=ranks, best=best)
    with atomic(path) as temporary:
        temporary.write_text(text, "utf-8")
