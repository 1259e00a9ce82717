"""All figures of a report: as parts of its page, and as files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from susx.core.errors import InputError
from susx.core.files import atomic
from susx.evaluation.schema import Result
from susx.report.card import ShareCard
from susx.report.ranking import RankTable
from susx.report.render import told, trusted
from susx.report.schema import Analysis, Surface

if TYPE_CHECKING:
    import altair as alt

NEEDED = ("altair", "vl_convert", "jinja2")
ACCURACY, CLASSES, EMBEDDINGS, TUNING, RANKS = (
    "Accuracy",
    "Classes",
    "Embeddings",
    "Hyper-parameters",
    "Ranks",
)
VIEW_BOX = re.compile(r'viewBox="[-\d.]+ [-\d.]+ ([\d.]+)')


@dataclass(frozen=True)
class Figure:
    """A figure.

    Attributes:
        group: heading that it stands under.
        name: of its files.
        title: of the figure.
        caption: what it shows, in words, with its main numbers.
        chart: what is drawn.
        row: key of the row that it is of, as `case_key` gives it; None of several rows.
    """

    group: str
    name: str
    title: str
    caption: str
    chart: alt.TopLevelMixin
    row: tuple[str | None, ...] | None = None

    @cached_property
    def drawn(self) -> str:
        """The figure as SVG, drawn once for page and files."""
        from susx.report.figures import svg_of

        return svg_of(self.chart)

    @cached_property
    def svg(self) -> Any:
        """The figure as a part of a page."""
        from susx.report.figures import inline_svg

        return trusted(inline_svg(self.drawn, self.title))

    @property
    def width(self) -> float:
        """Width in pixels at which its text is as large as that of other figures."""
        box = VIEW_BOX.search(self.svg)
        return float(box[1]) if box else 0.0


def drawings(result: Result, analyses: Sequence[Analysis]) -> list[Figure]:
    """All figures that there is anything to draw for, group by group.

    Raises:
        InputError: if a package is missing.
    """
    require_drawing()
    from susx.report import figures as f

    chart, caption = f.methods(result), f.describe_methods(result)
    found = [Figure(ACCURACY, "methods", "All classifiers", caption, chart)] if chart else []
    evaluated = list(dict.fromkeys(run.encoder for run in result.batch_runs))
    for encoder in evaluated:
        name, title = (f"-{encoder}", f", {encoder}") if len(evaluated) > 1 else ("", "")
        if chart := f.batches(result, encoder):
            said = f"Batches of test images{title}", f.describe_batches(result, encoder)
            found.append(Figure(ACCURACY, "batches" + name, *said, chart))
    several = len(analyses) > 1
    for analysis in analyses:
        name, title = (f"-{analysis.encoder}", f", {analysis.encoder}") if several else ("", "")
        found += [
            Figure(group, kind + name, words + title, caption, chart)
            for group, kind, words, caption, chart in _of_encoder(result, analysis)
            if chart
        ]
        for surface in analysis.surfaces:
            kind, words = _names(surface)
            texts = kind + name, words + title, f.describe_surface(surface)
            case = surface.case
            row = analysis.encoder, case.method, case.text, case.support, case.protocol
            found.append(Figure(TUNING, *texts, f.surface(surface), row))
    groups = (ACCURACY, CLASSES, EMBEDDINGS, TUNING)
    return sorted(found, key=lambda drawing: groups.index(drawing.group))


def rank_drawings(tables: Sequence[RankTable]) -> list[Figure]:
    """The figure of every table of ranks, in their order.

    Raises:
        InputError: if a package is missing.
    """
    require_drawing()
    from susx.report import figures as f

    return [
        Figure(
            RANKS,
            f"ranks-{table.encoder}",
            f"Mean ranks, {told(table.encoder)}",
            f.describe_ranks(table),
            f.ranks(table),
        )
        for table in tables
    ]


def require_drawing() -> None:
    """Look for the packages that figures need.

    Raises:
        InputError: if one is missing.
    """
    for package in NEEDED:
        if find_spec(package) is None:
            raise InputError(
                f"reports need {package}, which is not installed; run pip install 'susx[report]'"
            )


def _of_encoder(
    result: Result, analysis: Analysis
) -> Iterator[tuple[str, str, str, str, alt.TopLevelMixin | None]]:
    """Group, name, title, caption and chart of every figure, drawn or not."""
    from susx.report import figures as f

    one, encoder = analysis, analysis.encoder
    yield ACCURACY, "sizes", "Support size", f.describe_sizes(one), f.sizes(one)
    shots = f.describe_shots(result, encoder), f.shots(result, encoder)
    yield ACCURACY, "shots", "Few-shot support sets", *shots
    yield (
        CLASSES,
        "classes",
        "Gains and losses",
        f.describe_gains(one),
        f.gains(one),
    )
    yield CLASSES, "confusions", "Confusions", f.describe_confusions(one), f.confusions(one)
    yield EMBEDDINGS, "gap", "Modality gap", f.describe_gap(one), f.gap(one)
    yield EMBEDDINGS, "affinities", "KL affinities", f.describe_affinities(one), f.affinities(one)


def _names(surface: Surface) -> tuple[str, str]:
    case = surface.case
    there = [part for part in (case.method, case.text, case.drawn, case.protocol) if part]
    return "-".join(["surface", *there, surface.x, surface.y]), ", ".join(there)


def save_all(found: Sequence[Figure], card: ShareCard | None, folder: str | Path) -> None:
    """Write every figure as PNG and SVG, and the share card as PNG."""
    from susx.report.figures import save

    for drawing in found:
        save(drawing.drawn, Path(folder) / drawing.name)
    if card:
        with atomic(Path(folder) / "card.png") as temporary:
            temporary.write_bytes(card.png)
