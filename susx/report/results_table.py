"""The result table of a page: every row with all that is measured and reported."""

from __future__ import annotations

from dataclasses import dataclass

from susx.evaluation.reported import ReportedAccuracy, reported_for
from susx.evaluation.schema import Difference, Result, Run, SeedSpread
from susx.evaluation.table import deviation, notes, table_rows, tuned_on
from susx.evaluation.tuning_words import tuned_on_words
from susx.report.render import SIGNIFICANT

REFERENCES = ("delta", "best_text")
"""Differences of a row; the row that they are measured from has none of that name."""


@dataclass(frozen=True)
class TableRow:
    """A row; accuracies in percent, None where one is not known.

    Attributes:
        encoder: encoder.
        method: method.
        text: prompt strategy.
        support: support set, or `-`.
        protocol: how hyper-parameters are chosen.
        tuned_on: where they come from, in a word.
        on_test: whether that is the test split.
        transductive: whether it learns from all unlabelled test images at once.
        top1: accuracy; the mean over few-shot seeds.
        interval: its 95 % interval.
        spread: what stands in place of an interval.
        top5: top-5 accuracy.
        mean_per_class: mean of the per-class accuracies.
        delta: difference to zero-shot.
        best_text: difference to the best text-only row.
        reported: what others report for this setting.
    """

    encoder: str
    method: str
    text: str
    support: str
    protocol: str
    tuned_on: str
    on_test: bool
    transductive: bool
    top1: float
    interval: tuple[float, float] | None = None
    spread: str = ""
    top5: float | None = None
    mean_per_class: float | None = None
    delta: Difference | None = None
    best_text: Difference | None = None
    reported: ReportedAccuracy | None = None

    @property
    def protocol_words(self) -> str:
        """How hyper-parameters are chosen, in the words of `tuned on`."""
        return tuned_on_words(self.protocol, "nothing")

    @property
    def key(self) -> tuple[str | None, ...]:
        """What tells it apart, as `case_key` gives it for runs."""
        support = None if self.support == "-" else self.support
        return self.encoder, self.method, self.text, support, self.protocol


@dataclass(frozen=True)
class ResultTable:
    """Rows, and what a reader of them must know."""

    rows: list[TableRow]
    notes: list[str]

    @property
    def reported(self) -> bool:
        """Whether others report anything that can be compared."""
        return any(row.reported for row in self.rows)

    @property
    def encoders(self) -> list[str]:
        """Encoders in order."""
        return list(dict.fromkeys(row.encoder for row in self.rows))

    @property
    def zero_shot(self) -> TableRow | None:
        """The first zero-shot row."""
        return next((row for row in self.rows if row.method == "zero-shot"), None)

    @property
    def best(self) -> TableRow | None:
        """The row with the highest accuracy of those that are not tuned on the test images."""
        fair = [row for row in self.rows if not row.on_test]
        return max(fair, key=lambda row: row.top1, default=None)

    def is_best(self, row: TableRow) -> bool:
        """Whether no row that counts has a higher accuracy than this one, which does."""
        best = self.best
        return best is not None and not row.on_test and row.top1 == best.top1

    def is_undecided(self, row: TableRow) -> bool:
        """Whether a lower row was tested against the best one, and nothing tells them apart."""
        best = self.best
        return best is not None and not self.is_best(row) and _undecided(row, best)


def _undecided(one: TableRow, other: TableRow) -> bool:
    """Whether a paired test of two rows was made, and none tells them apart."""
    tests = [
        test.holm_p
        for row, reference in ((one, other), (other, one))
        for name in REFERENCES
        if (test := _tested_against(row, reference, name)) and test.holm_p is not None
    ]
    return bool(tests) and min(tests) >= SIGNIFICANT


def _tested_against(row: TableRow, reference: TableRow, name: str) -> Difference | None:
    """The difference of a row to a reference, if that is the row it is measured from."""
    difference: Difference | None = getattr(row, name)
    own = getattr(reference, name) is None and reference.interval is not None
    if difference is None or not own or row.encoder != reference.encoder:
        return None
    named = difference.reference, difference.protocol
    return difference if named == (reference.method, reference.protocol) else None


def result_rows(result: Result) -> ResultTable:
    """The table of a result; runs that differ in their few-shot seed only share one row."""
    together = {run.method for run in result.runs if run.transductive}
    rows = [_row(case, result, case.method in together) for case in table_rows(result)]
    sources = dict.fromkeys(row.reported.source for row in rows if row.reported)
    return ResultTable(rows, list(notes(result, sources)))


def _row(case: Run | SeedSpread, result: Result, transductive: bool) -> TableRow:
    names = (case.encoder, case.method, case.text, case.support or "-", case.protocol)
    flags = (tuned_on(case), case.tuned_on == "test", transductive)
    reported = reported_for(case, result)
    if isinstance(case, SeedSpread):
        return TableRow(*names, *flags, case.top1_mean, spread=deviation(case), reported=reported)
    low, high = case.ci95
    return TableRow(
        *names,
        *flags,
        case.top1,
        interval=(low, high),
        top5=case.top5,
        mean_per_class=case.mean_per_class,
        delta=case.delta_vs_zero_shot,
        best_text=case.delta_vs_best_text,
        reported=reported,
    )
