"""All figures of a report: as parts of its page, and as files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from susx.errors import InputError
from susx.report.render import trusted
from susx.report.schema import Analysis, Surface
from susx.schema import Result

if TYPE_CHECKING:
    import altair as alt

NEEDED = ("altair", "vl_convert", "jinja2")


@dataclass(frozen=True)
class Drawing:
    """A figure before it is drawn.

    Attributes:
        name: of its files.
        title: of the figure.
        caption: what it shows, in words, with its main numbers.
        chart: the figure.
    """

    name: str
    title: str
    caption: str
    chart: alt.TopLevelMixin

    @property
    def svg(self) -> Any:
        """The figure as a part of a page."""
        from susx.report.figures import inline_svg

        return trusted(inline_svg(self.chart, self.title))


def drawings(result: Result, analyses: Sequence[Analysis]) -> list[Drawing]:
    """All figures that there is anything to draw for.

    Raises:
        InputError: if a package is missing.
    """
    for package in NEEDED:
        if find_spec(package) is None:
            raise InputError(
                f"reports need {package}, which is not installed; run pip install -e '.[report]'"
            )
    from susx.report import figures

    several = len(analyses) > 1
    found = [
        ("methods", "All classifiers", figures.describe_methods(result), figures.methods(result))
    ]
    for analysis in analyses:
        suffix = f"-{analysis.encoder}" if several else ""
        of = f", {analysis.encoder}" if several else ""
        found += [
            (f"{name}{suffix}", f"{title}{of}", caption, chart)
            for name, title, caption, chart in _of_encoder(result, analysis)
        ]
    return [Drawing(name, title, caption, chart) for name, title, caption, chart in found if chart]


def _of_encoder(
    result: Result, analysis: Analysis
) -> Iterator[tuple[str, str, str, alt.TopLevelMixin | None]]:
    from susx.report import figures as f

    encoder = analysis.encoder
    yield "sizes", "Support size", f.describe_sizes(analysis), f.sizes(analysis)
    shots = f.describe_shots(result, encoder), f.shots(result, encoder)
    yield "shots", "Few-shot support sets", *shots
    yield "gap", "Modality gap", f.describe_gap(analysis), f.gap(analysis)
    affinities = f.describe_affinities(analysis), f.affinities(analysis)
    yield "affinities", "KL affinities", *affinities
    for surface in analysis.surfaces:
        name, title = _names(surface)
        yield name, title, f.describe_surface(surface), f.surface(surface)
    yield "classes", "Classes", f.describe_classes(analysis), f.classes(analysis)
    confusions = f.describe_confusions(analysis), f.confusions(analysis)
    yield "confusions", "Confusions", *confusions


def _names(surface: Surface) -> tuple[str, str]:
    case = surface.case
    seed = None if case.seed is None else f"seed{case.seed}"
    parts = [case.method, case.text, case.support, seed, case.protocol]
    there = [part for part in parts if part]
    name = "-".join(["surface", *there, surface.x, surface.y])
    return name, f"Hyper-parameters of {', '.join(there)}"


def save_all(found: Sequence[Drawing], folder: str | Path) -> None:
    """Write every figure as PNG and SVG."""
    from susx.report.figures import save

    for drawing in found:
        save(drawing.chart, Path(folder) / drawing.name)
