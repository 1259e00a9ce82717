"""The figure of accuracy on batches of test images."""

from __future__ import annotations

from typing import Any

import altair as alt

from susx.core.rounding import decimal
from susx.evaluation.schema import Result
from susx.report.batch_rows import BatchCurve, batch_curves, ordered_protocols
from susx.report.drawing import COLOURS, GREY, WIDTH, rows_of, with_gaps

HEIGHT = 240
NAMES = 130
"""Width beside the plot for the names of its curves."""
SHOWN = 4
"""Curves with a colour and a name: one colour is left for the others."""
LINE = 16
"""Height of a name in pixels."""
LIGHT = 0.3
"""Opacity of other curves, which show where the field lies."""
REFERENCE = "zero-shot"


def batches(result: Result, encoder: str) -> alt.TopLevelMixin | None:
    """Mean accuracy by protocol of batches, a curve per method; None without such rows.

    The best methods and zero-shot are named, the others are light. Lines join protocols of one
    kind.
    """
    curves = batch_curves(result, encoder)
    if not curves:
        return None
    best = [curve.method for curve in curves if curve.method != REFERENCE][:SHOWN]
    protocols = ordered_protocols(result)
    rows = [row for curve in curves for row in _points(curve, protocols, result)]
    values = [row["y"] for row in rows]
    margin = 0.06 * max(max(values) - min(values), 1.0)
    low, high = max(0.0, min(values) - margin), min(100.0, max(values) + margin)
    axis = alt.Axis(title=None, grid=False, labelAngle=-45, labelLimit=110, labelOverlap=False)
    x = alt.X("x:N", sort=None, axis=axis, scale=alt.Scale(domain=protocols, type="point"))
    scale = alt.Scale(domain=[low, high], nice=False, zero=False)
    y = alt.Y("y:Q", scale=scale, title="Top-1 accuracy in percent")
    colour = alt.Color(
        "name:N", scale=alt.Scale(domain=best, range=list(COLOURS[: len(best)])), legend=None
    )
    shape = alt.Shape("name:N", scale=alt.Scale(domain=best), legend=None)
    layers = []
    for names, look in (
        ([c.method for c in curves if c.method not in (*best, REFERENCE)], "light"),
        ([REFERENCE], "dashed"),
        (best[::-1], "coloured"),
    ):
        own = [row for row in rows if row["name"] in names]
        base = alt.Chart(rows_of(own)).encode(x, y, alt.Detail(["name:N", "kind:N"]))
        if look == "light":
            layers.append(base.mark_line(strokeWidth=1, opacity=LIGHT, color=GREY))
            layers.append(base.mark_point(filled=True, size=12, opacity=LIGHT, color=GREY))
        elif look == "dashed":
            layers.append(base.mark_line(strokeWidth=1.5, strokeDash=[4, 3], color=GREY))
            layers.append(base.mark_point(filled=True, size=20, opacity=1, color=GREY))
        else:
            layers.append(base.mark_line(strokeWidth=2).encode(colour))
            layers.append(base.mark_point(filled=True, size=45, opacity=1).encode(colour, shape))
    named = [curve for curve in curves if curve.method in (*best, REFERENCE)]
    names_at = alt.Chart(rows_of(_names(named, protocols, low, high))).encode(
        alt.X("x:N", sort=None, axis=axis), alt.Y("at:Q", scale=scale)
    )
    keys = names_at.transform_filter(alt.FieldOneOfPredicate(field="name", oneOf=best))
    layers.append(
        keys.mark_point(filled=True, size=45, opacity=1, xOffset=14).encode(colour, shape)
    )
    layers.append(names_at.mark_text(align="left", dx=22, limit=NAMES).encode(text="words:N"))
    return alt.layer(*layers).properties(width=WIDTH - NAMES, height=HEIGHT)


def describe_batches(result: Result, encoder: str) -> str:
    """The best method of every protocol in words."""
    curves = batch_curves(result, encoder)
    if not curves:
        return "Nothing was evaluated on batches."
    parts = []
    for name in ordered_protocols(result):
        there = [curve for curve in curves if name in curve.values]
        if there:
            best = max(there, key=lambda curve: curve.values[name])
            parts.append(f"{name}: {best.method} {decimal(best.values[name])} %")
    return (
        f"{encoder}: mean accuracy of all tasks by protocol of batches, one curve for each of "
        f"{len(curves)} methods, with its first text and support set. Names at the right have the "
        f"mean of all protocols. Highest: {'; '.join(parts)}."
    )


def _points(curve: BatchCurve, protocols: list[str], result: Result) -> list[dict[str, Any]]:
    """Points of a curve; those of one kind are joined."""
    return [
        {
            "name": curve.method,
            "x": name,
            "y": curve.values[name],
            "kind": _kind(result, name),
        }
        for name in protocols
        if name in curve.values
    ]


def _kind(result: Result, name: str) -> str:
    settings = result.batches[name].settings
    if settings.draw != "few-classes":
        return "stream"
    return f"{settings.size} images, {'some unknown' if settings.unknown_classes else 'all known'}"


def _names(
    curves: list[BatchCurve], protocols: list[str], low: float, high: float
) -> list[dict[str, Any]]:
    """Names at the right edge, beside the end of their curve."""
    ordered = sorted(curves, key=lambda curve: _end(curve, protocols))
    ends = [_end(curve, protocols) for curve in ordered]
    places = with_gaps(ends, LINE / HEIGHT * (high - low))
    return [
        {
            "name": curve.method,
            "x": protocols[-1],
            "at": place,
            "words": f"{curve.method} {decimal(curve.mean)}",
        }
        for curve, place in zip(ordered, places, strict=True)
    ]


def _end(curve: BatchCurve, protocols: list[str]) -> float:
    return [curve.values[name] for name in protocols if name in curve.values][-1]
