"""The share card of a result: its main numbers as one picture, for posts and links."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from susx.core.rounding import decimal
from susx.evaluation.schema import Result, Run
from susx.evaluation.tuning_words import tuned_on_words
from susx.report.drawing import BLUE, GREY, INK, VERMILLION, rows_of, specification
from susx.report.render import signed, told
from susx.report.schema import Analysis
from susx.report.story import Story, story

if TYPE_CHECKING:
    import altair as alt

FAINT = "#666666"
"""Colour of lesser text; its contrast with white is 5.7, and WCAG asks for 4.5."""
SIZE = 1200, 630
"""Pixels of the picture, as the Open Graph pages of large sites ask for (1.91 to 1)."""
MARGIN = 64
INNER = SIZE[0] - 2 * MARGIN
NAMES, PLOT, NUMBERS = (MARGIN, 470), (560, 330), (SIZE[0] - MARGIN, 220)
"""Left end and width in pixels of names and intervals; right end and width of numbers."""
COLUMN, GAP = 340, 26
"""Pixels of a column of facts, three of which and their gaps fill a line."""
ROWS = {"before": 232, "shown": 330}
"""Height in pixels of the middle of the two rows."""


@dataclass(frozen=True)
class CardLine:
    """A line of text: where it begins or ends, its size, and the width that it is cut at."""

    text: str
    x: int
    y: int
    size: int
    limit: int
    colour: str = INK
    bold: bool = False
    align: Literal["left", "right"] = "left"


@dataclass(frozen=True)
class ShareCard:
    """A drawn card; `caption` says the same in words, `png` holds the picture."""

    caption: str
    png: bytes = field(repr=False)

    @property
    def address(self) -> str:
        """The picture as a data URI."""
        return f"data:image/png;base64,{base64.b64encode(self.png).decode()}"


def share_card(result: Result, analyses: Sequence[Analysis]) -> ShareCard | None:
    """Draw the card of a result, of the row that its page begins with; None without rows.

    The same result gives the same bytes, on machines with the same fonts.
    """
    told_of = story(result, analyses)
    if told_of is None:
        return None
    return ShareCard(describe_card(result, told_of), drawn_card(result, told_of))


def describe_card(result: Result, told_of: Story) -> str:
    """The card in words."""
    run, before = told_of.run, told_of.compared
    parts = [f"{result.dataset}, {result.n_classes} classes, {run.encoder}"]
    if before:
        parts.append(f"zero-shot {decimal(before.top1)} % top-1")
    low, high = map(decimal, run.ci95)
    parts.append(f"{told_of.name} {decimal(run.top1)} %, 95 % interval {low} to {high}")
    parts += [f"{name}: {value}" for name, value in _facts(run)]
    return f"{'; '.join([*parts, _choice(told_of)])}."


def drawn_card(result: Result, told_of: Story) -> bytes:
    """The card as PNG; compressed again, which leaves a fifth of the bytes."""
    import vl_convert
    from PIL import Image

    spec = specification(card_chart(result, told_of), INK)
    exact = {**spec, "padding": 0, "autosize": "none"}
    drawn = vl_convert.vegalite_to_png(exact, scale=1, allowed_base_urls=[])
    stream = io.BytesIO()
    Image.open(io.BytesIO(drawn)).convert("RGB").save(stream, "PNG", optimize=True)
    return stream.getvalue()


def card_chart(result: Result, told_of: Story) -> alt.TopLevelMixin:
    """The card as a chart."""
    import altair

    marks = [_text(words) for words in card_words(result, told_of)]
    layers = [*marks, *_intervals(told_of)]
    chart: alt.TopLevelMixin = altair.layer(*layers).properties(width=SIZE[0], height=SIZE[1])
    return chart


def card_words(result: Result, told_of: Story) -> Iterator[CardLine]:
    """All that is written, each cut at a width that leaves the others room."""
    run, before = told_of.run, told_of.compared
    sizes = f"{result.n_classes:,} classes · {result.n_test:,} test images · {run.encoder}"
    yield CardLine(result.dataset, MARGIN, 84, 58, INNER, bold=True)
    yield CardLine(sizes, MARGIN, 146, 28, INNER, FAINT)
    if before:
        yield from _row(before, ROWS["before"], FAINT)
    yield from _row(run, ROWS["shown"], _colour(run))
    if gain := run.delta_vs_zero_shot:
        low, high = map(signed, gain.ci95)
        text = f"{signed(gain.mean)} points against zero-shot, 95 % interval {low} to {high}"
        yield CardLine(text, MARGIN, 412, 30, INNER)
    for number, (name, value) in enumerate(_facts(run)):
        x = MARGIN + number * (COLUMN + GAP)
        yield CardLine(name, x, 474, 20, COLUMN, FAINT)
        colour = VERMILLION if run.tuned_on == "test" and not number else INK
        yield CardLine(value, x, 508, 26, COLUMN, colour)
    foot = f"susx · top-1 accuracy with 95 % intervals · {_choice(told_of)}"
    yield CardLine(foot, MARGIN, 570, 20, INNER, FAINT)


def _row(run: Run, y: int, colour: str) -> Iterator[CardLine]:
    """What stands left and right of an interval."""
    name = " · ".join(part for part in (run.text, run.support) if part)
    yield CardLine(run.method, NAMES[0], y - 16, 34, NAMES[1], colour, bold=True)
    yield CardLine(name, NAMES[0], y + 20, 22, NAMES[1], FAINT)
    low, high = map(decimal, run.ci95)
    share = f"{decimal(run.top1)} %"
    yield CardLine(share, NUMBERS[0], y - 16, 44, NUMBERS[1], INK, bold=True, align="right")
    yield CardLine(f"{low} to {high}", NUMBERS[0], y + 20, 22, NUMBERS[1], FAINT, align="right")


def _colour(run: Run) -> str:
    return VERMILLION if run.tuned_on == "test" else BLUE


def _facts(run: Run) -> list[tuple[str, str]]:
    unlabelled = "all test images at once" if run.transductive else "none"
    return [
        ("tuned on", tuned_on_words(run.protocol, run.tuned_on).replace("-", "nothing to tune")),
        ("support set", _support(run)),
        ("unlabelled data", unlabelled),
    ]


def _support(run: Run) -> str:
    support = run.support or "none"
    return support if run.seed is None else f"{support}, seed {run.seed}"


def _choice(told_of: Story) -> str:
    chosen = "the row that the configuration names"
    return chosen if told_of.chosen else "the highest row, by its test accuracy"


def _text(words: CardLine) -> alt.Chart:
    import altair

    mark: Any = altair.Chart(rows_of([{"words": told(words.text)}])).mark_text(
        align=words.align,
        baseline="middle",
        color=words.colour,
        fontSize=words.size,
        fontWeight="bold" if words.bold else "normal",
        limit=words.limit,
    )
    placed: alt.Chart = mark.encode(
        text="words:N", x=altair.value(words.x), y=altair.value(words.y)
    )
    return placed


def _intervals(told_of: Story) -> Iterator[alt.Chart]:
    """Point and interval of the rows, on one scale that both fill."""
    import altair

    run, before = told_of.run, told_of.compared
    rows = {ROWS["shown"]: run} | ({ROWS["before"]: before} if before else {})
    low = min(row.ci95[0] for row in rows.values())
    span = max(row.ci95[1] for row in rows.values()) - low

    def place(value: float) -> float:
        share = (value - low) / span if span else 0.5
        return PLOT[0] + share * PLOT[1]

    for y, row in rows.items():
        colour = _colour(row) if row is run else GREY
        left, right = map(place, row.ci95)
        base: Any = altair.Chart(rows_of([{}]))
        yield base.mark_rule(color=colour, strokeWidth=5).encode(
            x=altair.value(left), x2=altair.value(right), y=altair.value(y)
        )
        yield base.mark_point(color=colour, filled=True, size=420, opacity=1).encode(
            x=altair.value(place(row.top1)), y=altair.value(y)
        )
