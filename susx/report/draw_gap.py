"""Figures of the modality gap."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import altair as alt

from susx.report.drawing import BLUE, GREY, LETTER, VERMILLION, WIDTH, rows_of
from susx.report.schema import Analysis, Histogram

LINE = 15
"""Height of a label; each of a panel has a line of its own above the curves."""
CURVES = 48
"""Height of the curves."""
SMALLEST_SHARE = 0.001
"""Bins at both ends in which fewer of the pairs of every panel lie are not drawn."""
NAMES = {
    "test image - test image": "Two test images",
    "test image - support image": "Test image and support image",
    "test image - text": "Test image and text",
    "text - text": "Two texts",
}
KINDS = {True: ("same class", BLUE), False: ("other class", VERMILLION), None: ("mean", GREY)}


def gap(analysis: Analysis) -> alt.TopLevelMixin:
    """Distributions of cosines, one panel per kind of pair."""
    return _panels(_of(analysis, "cosine"), "Cosine")


def describe_gap(analysis: Analysis) -> str:
    """Mean cosines in words."""
    return f"Mean cosines. {_means(_of(analysis, 'cosine'))}"


def affinities(analysis: Analysis) -> alt.TopLevelMixin | None:
    """Distributions of TIP-X's affinities; None without a support set."""
    parts = _of(analysis, "affinity")
    return _panels(parts, "Rescaled KL divergence S, small for alike images") if parts else None


def describe_affinities(analysis: Analysis) -> str:
    """Mean affinities in words."""
    return (
        "Rescaled KL divergence S of the class distributions of test and support images; TIP-X "
        f"counts a large S against a class. Means. {_means(_of(analysis, 'affinity'))}"
    )


def _of(analysis: Analysis, quantity: str) -> dict[str, list[Histogram]]:
    found: dict[str, list[Histogram]] = {}
    for part in analysis.histograms:
        if part.quantity == quantity:
            found.setdefault(part.pairs, []).append(part)
    return found


def _means(parts: dict[str, list[Histogram]]) -> str:
    sentences = []
    for pairs, found in parts.items():
        sentences.append(f"{NAMES.get(pairs, pairs)}: {', '.join(map(_words, found))}.")
    return " ".join(sentences)


def _panels(parts: dict[str, list[Histogram]], title: str) -> alt.TopLevelMixin:
    domain = _domain([part for found in parts.values() for part in found])
    last = list(parts)[-1]
    panels = [
        _panel(found, NAMES.get(pairs, pairs), domain, title if pairs == last else None)
        for pairs, found in parts.items()
    ]
    return alt.vconcat(*panels, spacing=14)


def _domain(parts: Sequence[Histogram]) -> list[float]:
    """The part of the range where pairs are."""
    filled = [
        edges
        for part in parts
        for share, *edges in zip(part.shares, part.edges, part.edges[1:], strict=False)
        if share >= SMALLEST_SHARE
    ]
    return [min(low for low, _ in filled), max(high for _, high in filled)]


def _panel(
    parts: Sequence[Histogram], name: str, domain: list[float], title: str | None
) -> alt.LayerChart | alt.FacetChart:
    axis = alt.Axis(title=title, grid=False, tickCount=6) if title else None
    x = alt.X("x:Q", scale=alt.Scale(domain=domain, nice=False), axis=axis)
    highest = max(share for part in parts for share in part.shares)
    height = CURVES + LINE * len(parts)
    y = alt.Y("y:Q", scale=alt.Scale(domain=[0, highest * height / CURVES]), axis=None)
    layers = []
    for part, (line, align) in zip(parts, _places(parts, domain), strict=True):
        colour = KINDS[part.same_class][1]
        heights = [
            {"x": edge, "y": share}
            for edge, share in zip(part.edges, [*part.shares, 0], strict=True)
        ]
        area = alt.Chart(rows_of(heights)).mark_area(
            interpolate="step-after",
            color=colour,
            fillOpacity=0.25,
            line={"color": colour, "strokeWidth": 1.5},
            clip=True,
        )
        layers.append(area.encode(x, y))
        mean = alt.Chart(rows_of([{"x": part.mean, "words": _words(part)}])).encode(x)
        rule = mean.mark_rule(color=colour, strokeDash=[3, 2], strokeWidth=1.5)
        layers.append(rule.encode(y=alt.value(line * LINE), y2=alt.value(height)))
        text = mean.mark_text(align=align, dx=5 if align == "left" else -5)
        layers.append(text.encode(text="words:N", y=alt.value((line + 0.5) * LINE)))
    return alt.layer(*layers).properties(
        width=WIDTH, height=height, title=alt.TitleParams(name, offset=4)
    )


def _words(part: Histogram) -> str:
    return f"{KINDS[part.same_class][0]} {part.mean:.2f}".replace("-", "−")


def _places(
    parts: Sequence[Histogram], domain: list[float]
) -> list[tuple[int, Literal["left", "right"]]]:
    """Line of every label, and the side of its mean that it is aligned to.

    A label stands outwards of its mean if it fits there. One that stands inwards has the first
    line, where the other's mean does not reach.
    """
    means = [part.mean for part in parts]
    found: list[tuple[bool, Literal["left", "right"]]] = []
    for part in parts:
        share = (part.mean - domain[0]) / (domain[1] - domain[0])
        outwards_left = part.mean == min(means) and len(parts) > 1
        room = (share if outwards_left else 1 - share) * WIDTH
        inwards = room < LETTER * len(_words(part))
        found.append((inwards, "right" if outwards_left != inwards else "left"))
    order = sorted(range(len(parts)), key=lambda i: not found[i][0])
    return [(order.index(i), align) for i, (_, align) in enumerate(found)]
