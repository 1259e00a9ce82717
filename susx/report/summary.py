"""results/report.html: methods by datasets, with links to the report of each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from susx.core.files import atomic
from susx.evaluation.schema import Result
from susx.report.downloads import downloads, mean_values, row_values
from susx.report.drawn import rank_drawings
from susx.report.lines import highest, summary_lines
from susx.report.ranking import rank_tables
from susx.report.render import render, told
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
    ranks = rank_tables(lines, len(columns))
    cells = [
        {"dataset": told(column.name), **row_values(row, told)}
        for column in columns
        for row in column.table.rows
    ]
    text = render(
        "summary.html.j2",
        columns=columns,
        lines=lines,
        encoders=list(dict.fromkeys(line.first.encoder for line in lines)),
        highest_mean=highest([line.mean for line in lines if not line.on_test]),
        highest_delta=highest([line.delta for line in lines if not line.on_test]),
        ranks=list(zip(ranks, rank_drawings(ranks), strict=True)),
        files={
            "accuracies": downloads(cells),
            "means": downloads([mean_values(line, told) for line in lines if line.mean]),
        },
    )
    with atomic(path) as temporary:
        temporary.write_text(text, "utf-8")
