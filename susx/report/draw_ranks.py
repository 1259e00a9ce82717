"""The figure of mean ranks over datasets: a critical-difference diagram, one classifier a line.

Demsar (J. Mach. Learn. Res. 2006) writes all names around one axis. Here every name has a line of
its own, so that forty of them fit on a telephone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import altair as alt

from susx.core.rounding import decimal
from susx.evaluation.table import p_value
from susx.report.drawing import BLUE, GREY, VERMILLION, WIDTH, name_axis, room_for, rows_of
from susx.report.ranking import RankTable
from susx.report.render import told
from susx.report.results_table import TableRow

STEP = 34
"""Height of a classifier in pixels: two lines of its name."""
NAMES = 200
"""Width of names in pixels, at most; ranks need less room, as every one has a line of its own."""
MARGIN = 6
"""Pixels from the best rank there is to the names: half a point, and as much again."""
RULER = "critical difference"
LINE = "\n"
"""Between the lines of a name."""


def ranks(table: RankTable) -> alt.TopLevelMixin:
    """Mean rank of every classifier, and bars that join those that do not differ.

    A bar begins at a classifier and ends at the rank of the last that does not differ from it, to
    which a thin line leads. Bars that would lie within another are not drawn.
    """
    names = list(row_names([ranked.row for ranked in table.ranked]))
    levels = [ranked.rank for ranked in table.ranked]
    points = [{"name": name, "rank": rank} for name, rank in zip(names, levels, strict=True)]
    bars = [
        {"name": names[first], "rank": levels[first], "to": levels[last], "last": names[last]}
        for first, last in table.groups
    ]
    order, rulers, furthest = names, [], float(len(names))
    if table.differ:
        words = f"{RULER}{LINE}{decimal(table.critical_difference, 2)}"
        end = 1 + table.critical_difference
        order, furthest = [words, *names], max(furthest, end)
        rulers = [{"name": words, "rank": 1.0, "to": end}]
    room = room_for((line for name in order for line in name.split(LINE)), NAMES)
    axis = alt.Axis(title="Mean rank, 1 for the best", orient="top", tickMinStep=1, tickCount=5)
    labels = name_axis(room, grid=True)
    labels.labelExpr = f"split(datum.label, {LINE!r})"

    def drawn(rows: Sequence[Mapping[str, Any]], value: str = "rank") -> alt.Chart:
        scale = alt.Scale(domain=[1, furthest], nice=False, padding=MARGIN)
        x = alt.X(f"{value}:Q", scale=scale, axis=axis)
        y = alt.Y("name:N", sort=None, scale=alt.Scale(domain=order), axis=labels)
        return alt.Chart(rows_of(rows)).encode(x, y)

    return alt.layer(
        drawn(bars).mark_rule(strokeWidth=5, color=GREY).encode(alt.X2("to")),
        drawn(bars, "to").mark_rule(strokeWidth=1, color=GREY).encode(alt.Y2("last")),
        drawn(rulers).mark_rule(strokeWidth=2, color=VERMILLION).encode(alt.X2("to")),
        drawn(points).mark_point(filled=True, size=60, opacity=1, color=BLUE),
    ).properties(width=WIDTH - room, height=alt.Step(STEP))


def describe_ranks(table: RankTable) -> str:
    """The best classifiers in words, and what bars mean."""
    names = [name.replace(LINE, ", ") for name in row_names([one.row for one in table.ranked])]
    best = table.ranked[0]
    said = (
        f"Mean ranks on {table.n_datasets} datasets. Best: {names[0]} with {decimal(best.rank, 2)}"
    )
    if not table.differ:
        return (
            f"{said}. That all are equally good is not refuted (Friedman’s test, "
            f"p = {p_value(table.friedman_p)}): one bar joins all."
        )
    last = next((last for first, last in table.groups if first == 0), 0)
    others = "no other" if last == 0 else f"{last} of the {len(names) - 1} others"
    return (
        f"{said}, from which {others} cannot be told apart. Bars join classifiers whose mean ranks "
        f"are less than the critical difference of {decimal(table.critical_difference, 2)} apart "
        "(Nemenyi, 95 % confidence for all pairs together)."
    )


def row_names(rows: Sequence[TableRow]) -> Iterator[str]:
    """Names that tell rows of one encoder apart: the method, and below it what else it takes."""
    texts = Counter(method for method, _ in {(row.method, row.text) for row in rows})
    protocols = Counter(method for method, _ in {(row.method, row.protocol) for row in rows})
    for row in rows:
        parts = [] if row.support == "-" else [row.support]
        if texts[row.method] > 1:
            parts.append(row.text)
        if protocols[row.method] > 1 and row.protocol != "none":
            parts.append(row.protocol_words)
        yield LINE.join(told(line) for line in (row.method, " · ".join(parts)) if line)
