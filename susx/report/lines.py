"""Lines of a summary: a classifier on all datasets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from susx.evaluation.intervals import BOUNDS, DIFFERENCE_BOUNDS, mean_interval
from susx.report.results_table import ResultTable, TableRow

SummaryKey = tuple[str, ...]


@dataclass(frozen=True)
class MeanValue:
    """A mean over all datasets, and its 95 % interval, None if a value has none."""

    value: float
    interval: list[float] | None


@dataclass(frozen=True)
class Line:
    """A method in one setting: its rows by dataset, None where it was not run.

    Attributes:
        first: any of the rows; it names the setting.
        rows: one per dataset.
        mean: of top-1 accuracy, None unless it was run on all datasets.
        delta: of the difference to zero-shot, likewise.
        on_test: whether any of the rows is tuned on its test images.
    """

    first: TableRow
    rows: Sequence[TableRow | None]
    mean: MeanValue | None
    delta: MeanValue | None
    on_test: bool

    @property
    def accuracies(self) -> list[float]:
        """Top-1 accuracies of those datasets that it was run on."""
        return [row.top1 for row in self.rows if row]


def summary_lines(tables: Sequence[ResultTable]) -> list[Line]:
    """Join the rows of all datasets that are the same method in the same setting.

    Where nothing but the protocol tells that one dataset is tuned on its test images, the line
    still holds both; the row says so.
    """
    known = [{_setting(row): row for row in table.rows} for table in tables]
    settings = dict.fromkeys(setting for rows in known for setting in rows)
    return [_line([rows.get(setting) for rows in known]) for setting in settings]


def highest(values: Iterable[MeanValue | None]) -> float | None:
    """The highest mean of those that are known."""
    return max((value.value for value in values if value), default=None)


def _setting(row: TableRow) -> SummaryKey:
    return (row.encoder, row.method, row.text, row.support, row.protocol)


def _line(rows: Sequence[TableRow | None]) -> Line:
    there = [row for row in rows if row]
    deltas = [row.delta for row in there if row.delta]
    return Line(
        there[0],
        rows,
        _mean([(row.top1, row.interval) for row in there], len(rows), BOUNDS),
        _mean([(delta.mean, delta.ci95) for delta in deltas], len(rows), DIFFERENCE_BOUNDS),
        any(row.on_test for row in there),
    )


def _mean(
    values: Sequence[tuple[float, Sequence[float] | None]], n: int, bounds: tuple[float, float]
) -> MeanValue | None:
    """The mean of values of all n datasets, None if some have none."""
    if len(values) < n:
        return None
    intervals = [interval for _, interval in values if interval is not None]
    means = [mean for mean, _ in values]
    known = mean_interval(means, intervals, bounds) if len(intervals) == n else None
    return MeanValue(fmean(means), known)
