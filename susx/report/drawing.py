"""How figures look, and how they become files or parts of a page; offline."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from susx.core.files import atomic

if TYPE_CHECKING:
    import altair as alt

BLUE, VERMILLION, GREEN, PURPLE, GREY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#808080"
"""Colours that the colour-blind tell apart (Okabe and Ito, 2008), of those with a contrast of 3 on
white and on black alike."""
COLOURS = (BLUE, VERMILLION, GREEN, PURPLE, GREY)
INK = "#222222"
WIDTH = 340
"""Width of a figure in pixels with axes and names: a phone's, and that of a column of a page."""
VALUES = 44
"""Width of a vertical axis of numbers with its title."""
LETTER = 7.5
"""Width of a letter in pixels, about, of DejaVu Sans, which stands in for Arial on Linux."""
MEASURED = 0.85
"""Width of a text as it is measured, of the same in DejaVu Sans, about."""
NAME_GAP = 8
"""Pixels between a name and the plot."""
UNNAMED = ("role", "aria-roledescription", "aria-label")
"""Attributes of marks, which have no name: the image as a whole has one."""
SVG = "http://www.w3.org/2000/svg"
DOTS_PER_PIXEL = 2
FONT = "Arial, Helvetica, Liberation Sans, sans-serif"
PADDING = {"left": 8, "right": 20, "top": 5, "bottom": 5}
"""Room for readers whose font is wider than the one that text was measured with."""
TEXT_COLOUR = "currentColor"
"""That of the text around a figure, whose name stands for `INK` until a figure becomes a file."""
PAPER = re.compile(r'<rect width="[\d.]+" height="[\d.]+" fill="white"/>')
"""The background of a drawn figure."""


def with_gaps(places: Sequence[float], gap: float) -> list[float]:
    """Rising places, moved as little as it takes to lie a gap from each other."""
    moved = list(places)
    for _ in range(100):  # more than enough for the few names that a figure has
        for i in range(1, len(moved)):
            short = gap - (moved[i] - moved[i - 1])
            if short > 1e-9:  # far below a pixel
                moved[i - 1] -= short / 2
                moved[i] += short / 2
    return moved


def rows_of(rows: Sequence[Mapping[str, Any]]) -> alt.Data:
    """Rows as the data of a chart."""
    import altair

    return altair.Data(values=[dict(row) for row in rows])  # type: ignore[no-untyped-call]


def room_for(names: Iterable[str], most: int) -> int:
    """Width in pixels that the longest name takes beside a plot, up to `most`."""
    longest = max(map(len, names), default=0)
    return min(most, NAME_GAP + math.ceil(LETTER * longest))


def name_axis(room: int, grid: bool = False) -> alt.Axis:
    """A vertical axis of names in so many pixels; longer ones are cut."""
    import altair

    return altair.Axis(
        title=None,
        ticks=False,
        domain=False,
        labelOverlap=False,
        labelLimit=MEASURED * (room - NAME_GAP),
        minExtent=room,
        grid=grid,
    )


def specification(chart: alt.TopLevelMixin, ink: str) -> dict[str, Any]:
    """A chart as Vega-Lite on white, with text, axes and unnamed marks in one colour.

    It is not looked through here, which takes longer than drawing it; tests do that.
    """
    spec: dict[str, Any] = chart.to_dict(validate=False)
    faint = {"gridColor": ink, "gridOpacity": 0.12, "domainColor": ink, "tickColor": ink}
    text = {"labelColor": ink, "titleColor": ink, "labelFontSize": 12, "titleFontSize": 12}
    config: dict[str, Any] = {
        "aria": False,
        "font": FONT,
        "view": {"stroke": None},
        "axis": {**faint, **text, "titleFontWeight": "normal", "labelSeparation": 12},
        "legend": {**text, "titleFontWeight": "normal"},
        "title": {"color": ink, "fontSize": 12, "fontWeight": "bold", "anchor": "start"},
        "text": {"color": ink, "fontSize": 12},
        "rule": {"color": ink},
    }
    return {**spec, "config": config, "background": "white", "padding": PADDING}


def svg_of(chart: alt.TopLevelMixin) -> str:
    """A chart as SVG on white, with what has no colour of its own in `TEXT_COLOUR`."""
    import vl_convert

    spec = specification(chart, TEXT_COLOUR)
    svg: str = vl_convert.vegalite_to_svg(spec, allowed_base_urls=[])
    return svg


def save(svg: str, path: str | Path) -> tuple[Path, Path]:
    """Write a figure as PNG and SVG, on white.

    Args:
        svg: the figure, as `svg_of` draws it.
        path: of the files, without their suffix.

    Returns:
        The two files.
    """
    import vl_convert

    text = svg.replace(f'"{TEXT_COLOUR}"', f'"{INK}"')
    drawn = vl_convert.svg_to_png(text, scale=DOTS_PER_PIXEL)
    files = Path(f"{path}.png"), Path(f"{path}.svg")
    for file, data in zip(files, (drawn, text.encode()), strict=True):
        with atomic(file) as temporary:
            temporary.write_bytes(data)
    return files


def inline_svg(svg: str, name: str) -> str:
    """Turn a figure into an SVG element for a page.

    Text and axes take the colour of the text around it, the background is transparent, and it is
    as wide as its place, up to whatever the page says.

    Args:
        svg: the figure, as `svg_of` draws it.
        name: its accessible name, one line.

    Returns:
        The element, with ids of its own.
    """
    drawn = PAPER.sub("", svg, count=1)
    prefix = f"f{hashlib.sha256(f'{name} {drawn}'.encode()).hexdigest()[:10]}-"
    ElementTree.register_namespace("", SVG)
    root = ElementTree.fromstring(drawn)  # noqa: S314  made above, not foreign
    for element in root.iter():
        for key, value in element.attrib.items():
            if key == "id":
                element.set(key, prefix + value)
            else:
                element.set(key, re.sub(r"url\((['\"]?)#", rf"url(\1#{prefix}", value))
    for element in root.iter():
        for key in UNNAMED:
            element.attrib.pop(key, None)
    for key in ("width", "height"):
        root.attrib.pop(key, None)
    root.attrib |= {"role": "img", "aria-labelledby": f"{prefix}name"}
    title = ElementTree.Element(f"{{{SVG}}}title", {"id": f"{prefix}name"})
    title.text = name
    root.insert(0, title)
    return ElementTree.tostring(root, "unicode")
