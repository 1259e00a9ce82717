"""What a page tells of a single row of its table: values, classes, confusions, surfaces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from susx.evaluation.schema import ChangedPair, Result, Run
from susx.evaluation.table import case_key
from susx.report.drawn import Figure

MOST = 8
"""Classes that gain most, and that lose most, and changed pairs."""

RowKey = tuple[str | None, ...]


@dataclass(frozen=True)
class ClassAccuracy:
    """Accuracy of a class in percent; None of zero-shot where that was not evaluated."""

    name: str
    before: float | None
    after: float


@dataclass(frozen=True)
class RowDetail:
    """A row looked at closely.

    Attributes:
        values: its hyper-parameters; of few-shot rows those of every seed.
        classes: those that differ most from zero-shot, the largest gain first; the lowest ones
            where there is no zero-shot.
        n_classes: classes with test images.
        pairs: most changed confusions; empty of few-shot rows, whose seeds have their own.
        surfaces: names of its figures.
    """

    values: Sequence[str]
    classes: Sequence[ClassAccuracy]
    n_classes: int
    pairs: Sequence[ChangedPair]
    surfaces: Sequence[str]


def row_details(result: Result, figures: Sequence[Figure]) -> dict[RowKey, RowDetail]:
    """Details of all rows of the table; runs that differ in their few-shot seed are joined."""
    together: dict[RowKey, list[Run]] = {}
    for run in result.runs:
        together.setdefault(case_key(run), []).append(run)
    zero_shot = {run.encoder: run for run in reversed(result.runs) if run.method == "zero-shot"}
    return {
        key: _detail(result.classes, runs, zero_shot.get(runs[0].encoder), figures)
        for key, runs in together.items()
    }


def _detail(
    names: Sequence[str], runs: Sequence[Run], before: Run | None, figures: Sequence[Figure]
) -> RowDetail:
    classes = []
    for place, name in enumerate(names):
        known = [own for run in runs if (own := run.per_class[place]) is not None]
        if known:
            classes.append(
                ClassAccuracy(name, before.per_class[place] if before else None, fmean(known))
            )
    ordered = sorted(classes, key=_gain, reverse=True)
    shown = ordered if len(ordered) <= 2 * MOST else [*ordered[:MOST], *ordered[-MOST:]]
    key = case_key(runs[0])
    return RowDetail(
        [text for run in runs if (text := _values(run.hyperparameters, run.seed))],
        shown,
        len(classes),
        runs[0].changed_pairs[:MOST] if len(runs) == 1 else [],
        [figure.name for figure in figures if figure.row == key],
    )


def _gain(entry: ClassAccuracy) -> float:
    return entry.after - (entry.before or 0.0)


def _values(values: Mapping[str, float], seed: int | None) -> str:
    words = ", ".join(f"{name} {value:.4g}" for name, value in values.items())
    return f"seed {seed}: {words}" if words and seed is not None else words
