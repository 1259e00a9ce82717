"""The figure of all rows of a result."""

from __future__ import annotations

from typing import Any

import altair as alt

from susx.core.rounding import decimal
from susx.evaluation.schema import Result, Run, SeedSpread
from susx.evaluation.tuning_words import IN_SENTENCES, TEST_SPLIT, tuning_source
from susx.report.drawing import (
    BLUE,
    GREEN,
    GREY,
    PURPLE,
    VERMILLION,
    WIDTH,
    name_axis,
    room_for,
    rows_of,
)

STEP = 26
NAMES = 180
"""Width of the names of rows, at most."""
TUNED = {
    "none": (IN_SENTENCES["none"], GREY, "circle"),
    "fixed": (IN_SENTENCES["fixed"], PURPLE, "triangle-up"),
    "validation": (IN_SENTENCES["validation"], BLUE, "square"),
    "support": (IN_SENTENCES["support"], GREEN, "diamond"),
    "test": (f"{TEST_SPLIT}: not comparable", VERMILLION, "cross"),
}
"""Names, colours and shapes by what hyper-parameters were chosen on."""
SLOTS = {"validation": 0, "support": 1, "none": 1, "fixed": 2}
"""Where a row stands among those of its name, from the top."""


def methods(result: Result) -> alt.TopLevelMixin | None:
    """Top-1 accuracy of every row with its interval, one panel per encoder; None without rows.

    Few-shot rows are their mean over seeds, with one standard deviation to both sides.
    """
    rows = _rows(result)
    encoders = list(dict.fromkeys(row["encoder"] for row in rows))
    if not rows:
        return None
    domain = [min(row["low"] for row in rows), max(row["high"] for row in rows)]
    room = room_for((row["name"] for row in rows), NAMES)
    panels = [
        _panel([row for row in rows if row["encoder"] == encoder], domain, room).properties(
            title=alt.TitleParams(encoder, frame="group")
        )
        for encoder in encoders
    ]
    figure: alt.TopLevelMixin = alt.vconcat(*panels, spacing=18)
    return figure


def describe_methods(result: Result) -> str:
    """The best rows in words, and which are not comparable."""
    rows = _rows(result)
    fair = sorted((row for row in rows if row["tuned"] != TUNED["test"][0]), key=lambda r: -r["y"])
    if not fair:
        return "No row can be compared."
    best = fair[0]
    zero_shot = [row for row in rows if row["name"] == "zero-shot"]
    than = f"; zero-shot {decimal(zero_shot[0]['y'])} %" if zero_shot else ""
    left = len(rows) - len(fair)
    rest = "1 row was tuned on the test images and does not compare."
    if left != 1:
        rest = f"{left} rows were tuned on the test images and do not compare."
    marked = f" {rest}" if left else ""
    return (
        f"Top-1 test accuracy with 95 % intervals, few-shot rows as mean and standard deviation "
        f"over draws. Best: {best['name']} ({best['encoder']}, {best['tuned']}) with "
        f"{decimal(best['y'])} %{than}.{marked}"
    )


def _rows(result: Result) -> list[dict[str, Any]]:
    """Rows without seeds, and means over seeds, in the order of the result."""
    texts = {(run.method, run.text) for run in result.runs}
    several = {name for name, _ in texts if sum(method == name for method, _ in texts) > 1}
    order = list(dict.fromkeys(row.method for row in [*result.runs, *result.seeds]))
    found = []
    kept: list[Run | SeedSpread] = [run for run in result.runs if run.seed is None]
    for row in [*kept, *result.seeds]:
        parts = [row.method, row.support or "", row.text if row.method in several else ""]
        if isinstance(row, Run):
            y, (low, high) = row.top1, row.ci95
        else:
            y, deviation = row.top1_mean, row.top1_std or 0.0
            low, high = y - deviation, y + deviation
        found.append(
            {
                "encoder": row.encoder,
                "method": row.method,
                "name": " · ".join(filter(None, parts)),
                "tuned": TUNED[tuning_source(row.protocol, row.tuned_on)][0],
                "slot": SLOTS[row.protocol],
                "y": y,
                "low": low,
                "high": high,
            }
        )
    return sorted(found, key=lambda row: order.index(row["method"]))


def _panel(
    rows: list[dict[str, Any]], domain: list[float], room: int
) -> alt.LayerChart | alt.FacetChart:
    kinds = [kind for kind in TUNED.values() if any(row["tuned"] == kind[0] for row in rows)]
    names, colours, shapes = (list(part) for part in zip(*kinds, strict=True))
    legend = alt.Legend(title=None, orient="top", columns=1, symbolOpacity=1)
    colour = alt.Color("tuned:N", scale=alt.Scale(domain=names, range=colours), legend=legend)
    shape = alt.Shape("tuned:N", scale=alt.Scale(domain=names, range=shapes), legend=legend)
    scale = alt.Scale(domain=domain, nice=True, zero=False)
    axis = alt.Axis(title="Top-1 accuracy in percent", tickCount=5)
    base = alt.Chart(rows_of(rows)).encode(
        y=alt.Y("name:N", sort=None, axis=name_axis(room, grid=True)),
        yOffset=alt.YOffset("slot:O", scale=alt.Scale(domain=[0, 1, 2])),
        color=colour,
    )
    intervals = base.mark_rule(strokeWidth=1.5).encode(
        alt.X("low:Q", scale=scale, axis=axis), alt.X2("high")
    )
    points = base.mark_point(filled=True, size=50, opacity=1).encode(
        alt.X("y:Q", scale=scale, axis=axis), shape=shape
    )
    return alt.layer(intervals, points).properties(
        width=WIDTH - room, height=alt.Step(STEP, **{"for": "position"})
    )
