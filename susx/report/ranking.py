"""Ranks of the classifiers of a summary, over its datasets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from susx.evaluation.ranks import LEAST_CLASSIFIERS, mean_ranks, signed_rank_p
from susx.report.lines import Line
from susx.report.render import SIGNIFICANT
from susx.report.results_table import TableRow

DECIMALS = 9
"""Of differences in percent: one image of ten million is more, rounding of a double is less."""


@dataclass(frozen=True)
class Ranked:
    """A classifier among others.

    Attributes:
        row: any of its rows; it names the setting.
        rank: mean rank.
        mean: of top-1 accuracy.
        wins: datasets on which it is better than the reference; None of the reference itself.
        losses: datasets on which it is worse.
        p: of Wilcoxon's signed-rank test against the reference, for all classifiers together.
    """

    row: TableRow
    rank: float
    mean: float
    wins: int | None = None
    losses: int | None = None
    p: float | None = None


@dataclass(frozen=True)
class RankTable:
    """Classifiers of one encoder that were run on all datasets, best rank first.

    Attributes:
        encoder: the encoder.
        ranked: the classifiers.
        reference: the text-only one with the highest mean accuracy, None if there is none.
        n_datasets: number of datasets.
        n_partial: classifiers that are left out since a dataset lacks them.
        n_on_test: classifiers that are left out since they were tuned on test images.
        friedman_p: that all are equally good.
        critical_difference: of two mean ranks.
    """

    encoder: str
    ranked: list[Ranked]
    reference: TableRow | None
    n_datasets: int
    n_partial: int
    n_on_test: int
    friedman_p: float
    critical_difference: float

    @property
    def differ(self) -> bool:
        """Whether any differ; mean ranks are compared in pairs only then (Demsar 2006)."""
        return self.friedman_p < SIGNIFICANT

    @property
    def groups(self) -> list[tuple[int, int]]:
        """First and last place of all that do not differ from each other, the longest such runs."""
        if not self.differ:
            return [(0, len(self.ranked) - 1)]
        ranks = [ranked.rank for ranked in self.ranked]
        found: list[tuple[int, int]] = []
        for first, rank in enumerate(ranks):
            last = sum(other - rank < self.critical_difference for other in ranks) - 1
            if last > max(first, found[-1][1] if found else 0):
                found.append((first, last))
        return found


def rank_tables(lines: Sequence[Line], n_datasets: int) -> list[RankTable]:
    """Rank what can be ranked, one encoder at a time; nothing if there is one dataset only."""
    return list(_rank_tables(lines)) if n_datasets > 1 else []


def _rank_tables(lines: Sequence[Line]) -> Iterator[RankTable]:
    for encoder in dict.fromkeys(line.first.encoder for line in lines):
        own = [line for line in lines if line.first.encoder == encoder]
        fair = [line for line in own if not line.on_test]
        whole = [line for line in fair if line.mean is not None]
        if len(whole) >= LEAST_CLASSIFIERS:
            yield _ranked(encoder, whole, len(fair) - len(whole), len(own) - len(fair))


def _ranked(encoder: str, lines: Sequence[Line], n_partial: int, n_on_test: int) -> RankTable:
    found = mean_ranks(np.array([line.accuracies for line in lines]))
    texts = [line for line in lines if _text_only(line.first)]
    reference = max(texts, key=lambda line: np.mean(line.accuracies), default=None)
    rows = [
        Ranked(line.first, rank, float(np.mean(line.accuracies)))
        for line, rank in zip(lines, found.ranks, strict=True)
    ]
    if reference is not None:
        others = [place for place, line in enumerate(lines) if line is not reference]
        gains = [
            [
                round(own - of, DECIMALS)
                for own, of in zip(lines[i].accuracies, reference.accuracies, strict=True)
            ]
            for i in others
        ]
        for i, own, p in zip(others, gains, signed_rank_p(gains), strict=True):
            wins, losses = sum(gain > 0 for gain in own), sum(gain < 0 for gain in own)
            rows[i] = Ranked(rows[i].row, rows[i].rank, rows[i].mean, wins, losses, p)
    return RankTable(
        encoder,
        sorted(rows, key=lambda row: row.rank),
        reference.first if reference else None,
        len(lines[0].rows),
        n_partial,
        n_on_test,
        found.friedman_p,
        found.critical_difference,
    )


def _text_only(row: TableRow) -> bool:
    """Whether texts alone decide, and nothing is tuned or learned."""
    return (row.support, row.protocol, row.transductive) == ("-", "none", False)
