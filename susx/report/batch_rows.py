"""Accuracies on batches of test images, as rows of a table and curves of a figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from susx.config.batches import FewClasses, Stream
from susx.evaluation.schema import BatchRun, Result
from susx.evaluation.table import batch_notes

PREFERRED = ("none", "validation", "support", "fixed")
"""Protocols of tuning; a curve has the first that its method was run under."""
DRAWS = ("few-classes", "shuffled", "correlated", "separate")


@dataclass(frozen=True)
class BatchRow:
    """A case: any of its runs, which names it, and its runs by protocol of batches."""

    case: BatchRun
    runs: Mapping[str, BatchRun]


@dataclass(frozen=True)
class BatchRows:
    """All cases on all protocols of batches, and sentences that say what these are."""

    protocols: Sequence[str]
    rows: Sequence[BatchRow]
    notes: Sequence[str]


@dataclass(frozen=True)
class BatchCurve:
    """A method with one encoder: mean accuracy in percent by protocol of batches."""

    method: str
    values: Mapping[str, float]

    @property
    def mean(self) -> float:
        """Of all protocols, in percent."""
        return fmean(self.values.values())


def batch_rows(result: Result) -> BatchRows:
    """All rows of batches, cases in the order of the result."""
    found: dict[tuple[str | None, ...], dict[str, BatchRun]] = {}
    for run in result.batch_runs:
        names = run.encoder, run.method, run.text, run.drawn, run.protocol
        found.setdefault(names, {})[run.batches] = run
    rows = [BatchRow(next(iter(own.values())), own) for own in found.values()]
    return BatchRows(ordered_protocols(result), rows, list(batch_notes(result)))


def ordered_protocols(result: Result) -> list[str]:
    """Protocols of batches: those of few classes from few to many, then streams from random on."""

    def place(name: str) -> tuple[float, ...]:
        settings: FewClasses | Stream = result.batches[name].settings
        kind = DRAWS.index(settings.draw)
        if isinstance(settings, FewClasses):
            return (kind, settings.unknown_classes > 0, settings.size, *settings.classes)
        return (kind, -(settings.concentration or 0.0), settings.size)

    return sorted(result.batches, key=place)


def batch_curves(result: Result, encoder: str) -> list[BatchCurve]:
    """A curve per method, the highest mean first; nothing that was tuned on test images.

    A method has the rows of its first text, support set and protocol; draws of a few-shot set
    are averaged.
    """
    fair = [r for r in result.batch_runs if r.encoder == encoder and r.tuned_on != "test"]
    fair.sort(key=lambda run: PREFERRED.index(run.protocol))
    first: dict[str, BatchRun] = {}
    for run in fair:
        first.setdefault(run.method, run)
    curves = []
    for method, chosen in first.items():
        own = [run for run in fair if _setting(run) == _setting(chosen)]
        values = {
            name: fmean(run.top1_mean for run in own if run.batches == name)
            for name in dict.fromkeys(run.batches for run in own)
        }
        curves.append(BatchCurve(method, values))
    return sorted(curves, key=lambda curve: -curve.mean)


def _setting(run: BatchRun) -> tuple[str | None, ...]:
    return run.method, run.text, run.support, run.protocol
