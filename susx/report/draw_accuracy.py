"""Figures of accuracy against the number of support images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from susx.core.rounding import decimal
from susx.evaluation.schema import Result, SeedSpread
from susx.report.drawing import COLOURS, LETTER, VALUES, WIDTH, rows_of, with_gaps
from susx.report.schema import Analysis

HEIGHT = 220
MARK, WORDS = 14, 22
"""Where mark and words of a label begin, in pixels after the last point."""
LABEL_HEIGHT = 16
HIDDEN = 4
"""A curve that is nowhere more pixels away from another one lies under it."""
PROTOCOLS = ("none", "validation", "support", "fixed")
"""Whose curve is drawn, the first that there is."""
PER_CLASS = "Support images per class"


def sizes(analysis: Analysis) -> alt.TopLevelMixin | None:
    """Accuracy with the first images of every class; None without a support set."""
    if not analysis.sizes:
        return None
    rows = [
        {
            "name": point.case.method,
            "x": point.per_class,
            "y": point.top1,
            "low": point.ci95[0],
            "high": point.ci95[1],
        }
        for point in analysis.sizes
    ]
    return _curves(rows, _zero_shot(analysis), "Top-1 accuracy in percent", band=True)


def describe_sizes(analysis: Analysis) -> str:
    """Accuracy with the fewest images and with all, in words."""
    if not analysis.sizes:
        return "The shown row uses no support set."
    parts = []
    for method in dict.fromkeys(point.case.method for point in analysis.sizes):
        points = [point for point in analysis.sizes if point.case.method == method]
        first, last = points[0], points[-1]
        ends = [first, last] if len(points) > 1 else [last]
        said = " and ".join(f"{decimal(end.top1)} % with {end.per_class}" for end in ends)
        parts.append(f"{method} {said}")
    left_out = ""
    if names := " and ".join(analysis.sizes_left_out):
        left_out = f" No curve of {names}: fitting anew for every size would take long."
    return (
        f"Test accuracy with the first support images of every class, hyper-parameters as tuned "
        f"with all of them: {'; '.join(parts)}; zero-shot {decimal(_zero_shot(analysis))} %. "
        f"Bands are 95 % intervals.{left_out}"
    )


def shots(result: Result, encoder: str | None = None) -> alt.TopLevelMixin | None:
    """Mean and deviation over the draws of few-shot support sets; None if there are none.

    Args:
        result: the result.
        encoder: whose rows are drawn; the first with any if left out.
    """
    spreads = _spreads(result, encoder)
    if not spreads:
        return None
    rows = [
        {
            "name": spread.method,
            "x": spread.support_size / result.n_classes,
            "y": spread.top1_mean,
            "low": spread.top1_mean - (spread.top1_std or 0),
            "high": spread.top1_mean + (spread.top1_std or 0),
        }
        for spread in spreads
    ]
    zero_shot = [
        run.top1
        for run in result.runs
        if (run.method, run.encoder) == ("zero-shot", spreads[0].encoder)
    ]
    return _curves(rows, next(iter(zero_shot), None), "Top-1 accuracy in percent", band=False)


def describe_shots(result: Result, encoder: str | None = None) -> str:
    """Mean accuracy with the most images, in words."""
    spreads = _spreads(result, encoder)
    if not spreads:
        return "No few-shot support set was evaluated."
    most = max(spread.support_size for spread in spreads)
    parts = [
        f"{spread.method} {decimal(spread.top1_mean)}"
        + ("" if spread.top1_std is None else f" ± {decimal(spread.top1_std)}")
        for spread in spreads
        if spread.support_size == most
    ]
    return (
        f"{spreads[0].encoder}: mean and standard deviation of test accuracy over draws of "
        f"labelled support images; with {most / result.n_classes:.3g} per class, in percent: "
        f"{', '.join(parts)}."
    )


def _zero_shot(analysis: Analysis) -> float:
    n = sum(change.n for change in analysis.classes)
    return 100 * sum(change.before for change in analysis.classes) / n


def _spreads(result: Result, encoder: str | None) -> list[SeedSpread]:
    """Rows of one encoder, per method and support set those of one protocol and text.

    Rows that were tuned on the test images come last.
    """
    chosen = encoder or next((spread.encoder for spread in result.seeds), None)
    ordered = sorted(
        (spread for spread in result.seeds if spread.encoder == chosen),
        key=lambda spread: (spread.tuned_on == "test", PROTOCOLS.index(spread.protocol)),
    )
    first: dict[tuple[str, int], SeedSpread] = {}
    for spread in ordered:
        first.setdefault((spread.method, spread.support_size), spread)
    return sorted(first.values(), key=lambda spread: (spread.method, spread.support_size))


def _curves(
    rows: Sequence[Mapping[str, Any]], level: float | None, title: str, band: bool
) -> alt.TopLevelMixin:
    """A curve with its interval per name, which stands at its end; `level` is that of zero-shot."""
    names = list(dict.fromkeys(row["name"] for row in rows))
    values = [row[key] for row in rows for key in ("low", "high")]
    values += [] if level is None else [level]
    low, high = min(values), max(values)
    margin = 0.06 * max(high - low, 1.0)
    domain = [max(0.0, low - margin), min(100.0, high + margin)]
    at = sorted({row["x"] for row in rows})
    ticks = alt.Axis(title=PER_CLASS, values=at, grid=False, format=".3~g", labelOverlap=True)
    x = alt.X("x:Q", scale=alt.Scale(type="log", base=2, nice=False), axis=ticks)
    scale = alt.Scale(domain=domain, nice=False, zero=False)
    y = alt.Y("y:Q", scale=scale, title=title)
    colours = alt.Scale(domain=names, range=list(COLOURS[: len(names)]))
    colour = alt.Color("name:N", scale=colours, legend=None)
    shape = alt.Shape("name:N", scale=alt.Scale(domain=names), legend=None)
    ends = [_end(rows, name) for name in names]
    if level is not None:
        ends.append({"name": "zero-shot", "x": at[-1], "y": level})
    height = max(HEIGHT, LABEL_HEIGHT * len(ends))
    near = HIDDEN / height * (domain[1] - domain[0])
    depths = dict(zip(names, _depths(rows, names, near), strict=True))
    drawn = [
        {**row, "stroke": 2 + 4 * depths[row["name"]], "area": 45 * (1 + depths[row["name"]]) ** 2}
        for row in reversed(rows)  # the first on top
    ]
    base = alt.Chart(rows_of(drawn)).encode(x, color=colour)
    spread = alt.Y("low:Q", scale=scale, title=title)
    intervals = base.mark_area(opacity=0.15) if band else base.mark_rule(strokeWidth=1.5)
    layers = [
        intervals.encode(spread, alt.Y2("high")),
        base.mark_line().encode(y, alt.StrokeWidth("stroke:Q", scale=None)),
        base.mark_point(filled=True, opacity=1).encode(y, shape, alt.Size("area:Q", scale=None)),
    ]
    if level is not None:
        rule = alt.Chart(rows_of([{"y": level}])).mark_rule(strokeDash=[4, 3], strokeWidth=1)
        layers.append(rule.encode(alt.Y("y:Q", scale=scale)))
    apart = _apart(ends, domain, LABEL_HEIGHT / height * (domain[1] - domain[0]))
    labels = alt.Chart(rows_of(apart)).encode(x, alt.Y("at:Q", scale=scale))
    keys = labels.transform_filter(alt.FieldOneOfPredicate(field="name", oneOf=names))
    layers.append(
        keys.mark_point(filled=True, size=45, opacity=1, xOffset=MARK).encode(colour, shape)
    )
    layers.append(labels.mark_text(align="left", dx=WORDS).encode(text="words:N"))
    beside = WORDS + LETTER * max(len(label["words"]) for label in apart)
    return alt.layer(*layers).properties(width=WIDTH - VALUES - beside, height=height)


def _end(rows: Sequence[Mapping[str, Any]], name: str) -> dict[str, Any]:
    """Where a curve ends."""
    return dict(max((row for row in rows if row["name"] == name), key=lambda row: row["x"]))


def _depths(rows: Sequence[Mapping[str, Any]], names: Sequence[str], near: float) -> list[int]:
    """How many curves lie on each one, the earlier on the later: it is drawn wider by them."""
    curves = [{row["x"]: row["y"] for row in rows if row["name"] == name} for name in names]
    depths: list[int] = []
    for curve in curves:
        above = [
            depth + 1
            for other, depth in zip(curves, depths, strict=False)
            if all(x in other and abs(other[x] - y) <= near for x, y in curve.items())
        ]
        depths.append(max(above, default=0))
    return depths


def _apart(
    ends: Sequence[dict[str, Any]], domain: Sequence[float], gap: float
) -> list[dict[str, Any]]:
    """Labels at the right edge, moved up and down as far as they would overlap, within the plot."""
    right = max(end["x"] for end in ends)
    ordered = sorted(ends, key=lambda end: end["y"])
    places = with_gaps([end["y"] for end in ordered], gap)
    for i in range(len(places)):
        places[i] = max(places[i], domain[0] + gap / 2 + i * gap)
    for i in range(len(places)):
        places[-1 - i] = min(places[-1 - i], domain[1] - gap / 2 - i * gap)
    return [
        {
            "x": right,
            "at": place,
            "name": end["name"],
            "words": f"{end['name']} {decimal(end['y'])}",
        }
        for place, end in zip(places, ordered, strict=True)
    ]
