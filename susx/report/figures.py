"""The figures of a report. Each `draw` has a `describe`, its main numbers in words.

`save` and `inline_svg` of `susx.report.drawing` turn a chart into files or into a part of a page.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from susx.report.drawing import inline_svg, save
from susx.report.schema import Analysis, Surface
from susx.schema import Result

if TYPE_CHECKING:
    import altair as alt

__all__ = ["inline_svg", "save"]


def gap(analysis: Analysis) -> alt.TopLevelMixin:
    """Not drawn yet."""
    raise NotImplementedError


def describe_gap(analysis: Analysis) -> str:
    """Not drawn yet."""
    raise NotImplementedError


def affinities(analysis: Analysis) -> alt.TopLevelMixin | None:
    """Not drawn yet."""
    raise NotImplementedError


def describe_affinities(analysis: Analysis) -> str:
    """Not drawn yet."""
    raise NotImplementedError


def sizes(analysis: Analysis) -> alt.TopLevelMixin | None:
    """Not drawn yet."""
    raise NotImplementedError


def describe_sizes(analysis: Analysis) -> str:
    """Not drawn yet."""
    raise NotImplementedError


def shots(result: Result) -> alt.TopLevelMixin | None:
    """Not drawn yet."""
    raise NotImplementedError


def describe_shots(result: Result) -> str:
    """Not drawn yet."""
    raise NotImplementedError


def methods(result: Result) -> alt.TopLevelMixin:
    """Not drawn yet."""
    raise NotImplementedError


def describe_methods(result: Result) -> str:
    """Not drawn yet."""
    raise NotImplementedError


def classes(analysis: Analysis) -> alt.TopLevelMixin | None:
    """Not drawn yet."""
    raise NotImplementedError


def describe_classes(analysis: Analysis) -> str:
    """Not drawn yet."""
    raise NotImplementedError


def surface(surface: Surface) -> alt.TopLevelMixin:
    """Not drawn yet."""
    raise NotImplementedError


def describe_surface(surface: Surface) -> str:
    """Not drawn yet."""
    raise NotImplementedError


def confusions(analysis: Analysis) -> alt.TopLevelMixin | None:
    """Not drawn yet."""
    raise NotImplementedError


def describe_confusions(analysis: Analysis) -> str:
    """Not drawn yet."""
    raise NotImplementedError
