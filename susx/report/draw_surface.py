"""The figure of a hyper-parameter surface."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise
from typing import Any

import altair as alt

from susx.core.rounding import decimal
from susx.report.drawing import VALUES, WIDTH, rows_of
from susx.report.schema import Surface

HEIGHT = 200
LEVELS = 8
"""Steps of colour, about; cells of one step are drawn together."""
NICE = (1, 2, 2.5, 5, 10)


def surface(surface: Surface) -> alt.TopLevelMixin:
    """Accuracy in steps of colour; the plateau is outlined, and a ring is what was chosen."""
    steps = _steps([value for row in surface.accuracy for value in row])
    left, low = _edges(surface.x_values), _edges(surface.y_values)
    x = alt.X("x:Q", scale=_scale(left), axis=_axis(surface.x))
    y = alt.Y("y:Q", scale=_scale(low), axis=_axis(surface.y))
    scale = alt.Scale(type="threshold", domain=steps[1:-1], scheme="viridis")
    stroke = alt.Stroke("level:Q", scale=scale, legend=None)
    colour = alt.Fill(
        "level:Q",
        scale=scale,
        legend=alt.Legend(title="Accuracy in percent", orient="top", columns=4),
    )
    cells = alt.Chart(rows_of(list(_runs(surface, left, low, steps)))).mark_rect(strokeWidth=0.6)
    outline = alt.Chart(rows_of(list(_outline(surface, left, low)))).mark_rule(
        color="black", strokeWidth=1
    )
    point = {"x": surface.chosen[surface.x], "y": surface.chosen[surface.y]}
    ring = alt.Chart(rows_of([point])).encode(x, y)
    layers = [
        cells.encode(x, y, alt.X2("x2"), alt.Y2("y2"), fill=colour, stroke=stroke),  # no seams
        outline.encode(x, y, alt.X2("x2"), alt.Y2("y2")),
        ring.mark_point(size=110, color="black", strokeWidth=4, opacity=1),
        ring.mark_point(size=110, color="white", strokeWidth=2, opacity=1),
    ]
    return alt.layer(*layers).properties(width=WIDTH - VALUES, height=HEIGHT)


def describe_surface(surface: Surface) -> str:
    """Best accuracy, chosen values and plateau in words."""
    best = max(value for row in surface.accuracy for value in row)
    chosen = ", ".join(f"{name} {value:.3g}" for name, value in surface.chosen.items())
    return (
        f"Accuracy of {surface.case.method} on the {surface.tuned_on} images over {surface.x} and "
        f"{surface.y}; chosen: {chosen} (ring). Best {decimal(best)} %; "
        f"{decimal(100 * surface.plateau_share, 0)} % of the points are within one standard error "
        f"of it (at least {decimal(surface.plateau)} %, outlined)."
    )


def _axis(name: str) -> alt.Axis:
    return alt.Axis(title=name, grid=False, tickCount=6)


def _scale(edges: Sequence[float]) -> alt.Scale:
    return alt.Scale(domain=[edges[0], edges[-1]], nice=False, zero=False)


def _edges(values: Sequence[float]) -> list[float]:
    """Borders between rising values, and beyond them."""
    if len(values) == 1:
        return [values[0] - 0.5, values[0] + 0.5]
    middle = [(a + b) / 2 for a, b in pairwise(values)]
    return [2 * values[0] - middle[0], *middle, 2 * values[-1] - middle[-1]]


def _steps(values: Sequence[float]) -> list[float]:
    """Round numbers from the lowest value to the highest, about `LEVELS` steps apart."""
    low, high = min(values), max(values)
    rough = max(high - low, 0.1) / LEVELS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(nice * power for nice in NICE if nice * power >= rough * 0.999)
    first = math.floor(low / step)
    last = max(first + 2, math.ceil(high / step))
    return [round(i * step, 6) for i in range(first, last + 1)]


def _runs(
    surface: Surface, left: Sequence[float], low: Sequence[float], steps: Sequence[float]
) -> Iterator[dict[str, float]]:
    """Rectangles of neighbouring cells of one step."""
    for row, bottom, top in zip(surface.accuracy, low, low[1:], strict=False):
        level = [max(i for i, step in enumerate(steps[:-1]) if step <= value) for value in row]
        for i, run in groupby(range(len(row)), key=level.__getitem__):
            places = list(run)
            yield {
                "x": left[places[0]],
                "x2": left[places[-1] + 1],
                "y": bottom,
                "y2": top,
                "level": (steps[i] + steps[i + 1]) / 2,
            }


def _outline(
    surface: Surface, left: Sequence[float], low: Sequence[float]
) -> Iterator[dict[str, Any]]:
    """Borders between cells of the plateau and others."""
    on = [[value >= surface.plateau for value in row] for row in surface.accuracy]
    for j, row in enumerate(on):
        for i in range(1, len(row)):
            if row[i] != row[i - 1]:
                yield {"x": left[i], "x2": left[i], "y": low[j], "y2": low[j + 1]}
    for j, (below, above) in enumerate(pairwise(on)):
        differ = [a != b for a, b in zip(below, above, strict=True)]
        for different, run in groupby(range(len(differ)), key=differ.__getitem__):
            places = list(run)
            if different:
                y = low[j + 1]
                yield {"x": left[places[0]], "x2": left[places[-1] + 1], "y": y, "y2": y}
