"""Figures of what changed against zero-shot: classes, and confused pairs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt

from susx.evaluation.case import Case
from susx.report.drawing import (
    BLUE,
    GREEN,
    GREY,
    MEASURED,
    VERMILLION,
    WIDTH,
    name_axis,
    room_for,
    rows_of,
)
from susx.report.schema import Analysis, Confusion

MOST_CLASSES = 40
"""Classes that are drawn; of more, those that gain or lose most."""
COLOUR_NOTE = "Green pairs are among the most confused before, orange ones after, grey ones both."
STEP = 17
NAMES = 140
"""Width of the names of classes, at most."""
NUMBERS = 44
"""Width of a number beside a bar."""
PAIR_STEP = 32
"""Height of a confused pair: a line of both names, and the bar below it."""


def gains(analysis: Analysis) -> alt.TopLevelMixin | None:
    """Change of every class's accuracy, the largest gain first; None if no row is shown."""
    rows = _extremes(_gains(analysis))
    if analysis.shown is None or not rows:
        return None
    ends = [row["gain"] for row in rows]
    low, high = min(0.0, *ends), max(0.0, *ends)
    scale = alt.Scale(domain=[low, max(high, low + 1)], nice=False, padding=NUMBERS)
    axis = alt.Axis(title="Change of accuracy in points", tickCount=5)
    room = room_for((row["name"] for row in rows), NAMES)
    base = alt.Chart(rows_of(rows)).encode(
        alt.X("gain:Q", scale=scale, axis=axis),
        alt.Y("name:N", sort=None, axis=name_axis(room)),
    )
    bars = base.mark_bar(height=STEP - 5).encode(
        color=alt.condition("datum.gain < 0", alt.value(VERMILLION), alt.value(BLUE))
    )
    right = base.transform_filter("datum.gain >= 0").mark_text(align="left", dx=3)
    left = base.transform_filter("datum.gain < 0").mark_text(align="right", dx=-3)
    texts = (part.encode(text="words:N") for part in (right, left))
    return alt.layer(bars, *texts).properties(width=WIDTH - room, height=alt.Step(STEP))


def describe_gains(analysis: Analysis) -> str:
    """How many classes gain and lose, and which most."""
    rows = _gains(analysis)
    if analysis.shown is None or not rows:
        return "No row that differs from zero-shot is shown."
    gained = sum(row["gain"] > 0 for row in rows)
    lost = sum(row["gain"] < 0 for row in rows)
    best, worst = rows[0], rows[-1]
    shown = "" if len(rows) <= MOST_CLASSES else f" The {MOST_CLASSES} that change most are drawn."
    return (
        f"Against zero-shot, {analysis.shown.method} is better in {gained} of {len(rows)} classes "
        f"and worse in {lost}; {_change(best)}, {_change(worst)}.{shown}"
    )


def confusions(analysis: Analysis) -> alt.TopLevelMixin | None:
    """The most confused pairs before and after; None if nothing is confused."""
    lists = {analysis.before: analysis.confused_before}
    if analysis.shown is not None:
        lists[analysis.shown] = analysis.confused_after
    counts = [pair.count for pairs in lists.values() for pair in pairs]
    if not counts:
        return None
    names = [{_pair(pair) for pair in pairs} for pairs in lists.values()]
    colours = (GREEN, VERMILLION) if len(lists) > 1 else (GREY, GREY)
    panels = [
        _confusions(case, pairs, others, colour, max(counts))
        for (case, pairs), others, colour in zip(
            lists.items(), [names[-1], names[0]], colours, strict=False
        )
    ]
    return alt.vconcat(*panels, spacing=16)


def describe_confusions(analysis: Analysis) -> str:
    """The most frequent confusions in words."""
    parts = []
    lists = [(analysis.before, analysis.confused_before), (analysis.shown, analysis.confused_after)]
    for case, pairs in lists:
        if case is not None and pairs:
            first = pairs[0]
            parts.append(
                f"{case.method} most often takes {first.true} for {first.predicted} "
                f"({_images(first.count)})"
            )
    if not parts:
        return "No test image is taken for another class."
    words = "; ".join(parts)
    note = f" {COLOUR_NOTE}" if len(parts) > 1 else ""
    return f"{words[0].upper()}{words[1:]}.{note}"


def _gains(analysis: Analysis) -> list[dict[str, Any]]:
    """Change of accuracy of every class with test images, largest first."""
    gains = [
        (100 * (change.after - change.before) / change.n, change.name)
        for change in analysis.classes
        if change.n
    ]
    return [
        {"name": name, "gain": gain, "words": f"{gain:+.0f}".replace("-", "−") if gain else "0"}
        for gain, name in sorted(gains, key=lambda part: -part[0])
    ]


def _extremes(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """All rows, or the first and last of many."""
    half = MOST_CLASSES // 2
    return list(rows) if len(rows) <= MOST_CLASSES else [*rows[:half], *rows[-half:]]


def _change(row: dict[str, Any]) -> str:
    return f"{row['name']} {row['words']} points"


def _images(count: int) -> str:
    return "1 image" if count == 1 else f"{count} images"


def _pair(pair: Confusion) -> tuple[str, str]:
    return pair.true, pair.predicted


def _confusions(
    case: Case,
    pairs: Sequence[Confusion],
    others: set[tuple[str, str]],
    colour: str,
    most: int,
) -> alt.LayerChart | alt.FacetChart:
    rows = [
        {
            "pair": f"{pair.true} → {pair.predicted}",
            "count": pair.count,
            "colour": GREY if _pair(pair) in others else colour,
        }
        for pair in pairs
    ]
    scale = alt.Scale(domain=[0, most * WIDTH / (WIDTH - NUMBERS)], nice=False)
    axis = alt.Axis(title="Test images", tickMinStep=1, tickCount=5)
    base = alt.Chart(rows_of(rows)).encode(
        alt.X("count:Q", scale=scale, axis=axis), alt.Y("pair:N", sort=None, axis=None)
    )
    below = PAIR_STEP / 4
    bars = base.mark_bar(height=STEP - 5, yOffset=below)
    texts = base.mark_text(align="left", dx=3, yOffset=below).encode(text="count:Q")
    names = base.mark_text(align="left", yOffset=-below, limit=MEASURED * WIDTH)
    title = f"{case.method}: class → taken for"
    return alt.layer(
        bars.encode(color=alt.Color("colour:N", scale=None)),
        texts,
        names.encode(x=alt.value(0), text="pair:N"),
    ).properties(
        width=WIDTH, height=alt.Step(PAIR_STEP), title=alt.TitleParams(title, anchor="start")
    )
