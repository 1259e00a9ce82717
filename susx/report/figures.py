"""The figures of a report.

Each is a pure function that draws a chart, beside one that says its main numbers in a sentence or
two, for a caption and for those who do not see it. `svg_of` draws a chart, `save` turns what is
drawn into files, and `inline_svg` into a part of a page. Needs the extra `report`.
"""

from susx.report.draw_accuracy import describe_shots, describe_sizes, shots, sizes
from susx.report.draw_batches import batches, describe_batches
from susx.report.draw_changes import (
    confusions,
    describe_confusions,
    describe_gains,
    gains,
)
from susx.report.draw_gap import affinities, describe_affinities, describe_gap, gap
from susx.report.draw_methods import describe_methods, methods
from susx.report.draw_ranks import describe_ranks, ranks
from susx.report.draw_surface import describe_surface, surface
from susx.report.drawing import inline_svg, save, svg_of

__all__ = [
    "affinities",
    "batches",
    "confusions",
    "describe_affinities",
    "describe_batches",
    "describe_confusions",
    "describe_gains",
    "describe_gap",
    "describe_methods",
    "describe_ranks",
    "describe_shots",
    "describe_sizes",
    "describe_surface",
    "gains",
    "gap",
    "inline_svg",
    "methods",
    "ranks",
    "save",
    "shots",
    "sizes",
    "surface",
    "svg_of",
]
