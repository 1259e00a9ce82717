"""Figures: valid, labelled, safe whatever the names are, and described."""

import re
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from PIL import Image

from susx.evaluation.schema import Result
from susx.report import figures
from susx.report.draw_surface import LEVELS, _steps
from susx.report.drawing import COLOURS, INK
from susx.report.schema import Analysis
from tests.made.analysis import NAMES, analysis, size_point, surface, thousand_classes
from tests.made.result import full_result, result, run, spread

SVG = "{http://www.w3.org/2000/svg}"
GRID_LINES = 3  # contrast that a graphic needs beside its surroundings (WCAG 2.2, 1.4.11)


def rich_result() -> Result:
    """Two encoders, a row tuned on the test, and few-shot sets of two sizes."""
    tuned = {"protocol": "validation", "support": "lc"}
    rows = [
        run(),
        run(method="tip-x", tuned_on="test", top1=70.0, ci95=[64.0, 75.0], **tuned),
        run(method="tip-adapter", tuned_on="validation", top1=66.0, ci95=[60.0, 71.0], **tuned),
        run(encoder="siglip", top1=72.0, ci95=[66.0, 77.0]),
    ]
    seeds = [
        spread(method=method, support=f"few{k}", support_size=37 * k, top1_mean=60.0 + k)
        for method in ("tip-x", "gda")
        for k in (1, 2, 4)
    ]
    return Result.model_validate(result(*rows, seeds=seeds))


FIGURES: dict[str, tuple[Callable[[], Any], Callable[[], str]]] = {
    **{
        name: (
            lambda name=name: getattr(figures, name)(analysis()),
            lambda name=name: getattr(figures, f"describe_{name}")(analysis()),
        )
        for name in ("gap", "affinities", "sizes", "gains", "confusions")
    },
    **{
        name: (
            lambda name=name: getattr(figures, name)(rich_result()),
            lambda name=name: getattr(figures, f"describe_{name}")(rich_result()),
        )
        for name in ("shots", "methods")
    },
    "surface": (
        lambda: figures.surface(surface()),
        lambda: figures.describe_surface(surface()),
    ),
}
CUT = [name[:16] for name in NAMES]
WORDS = {
    "gap": ["Two test images", "Test image and text", "same class 0.41", "Cosine"],
    "affinities": ["Test image and support image", "other class 0.12"],
    "sizes": ["tip-x 64.0", "fusion 65.0", "zero-shot 50.0", "Support images per class"],
    "gains": ["+30", "−20", "0", "Change of accuracy in points", *CUT],
    "confusions": ["zero-shot: class → taken for", f"{NAMES[1]} → {NAMES[2]}", "7", "3"],
    "shots": ["tip-x 64.0", "gda 64.0", "zero-shot 61.2", "Support images per class"],
    "methods": [
        "clip",
        "siglip",
        "tip-x · lc",
        "TEST SPLIT: not comparable",
        "gda · few2",
    ],
    "surface": ["alpha", "beta", "Accuracy in percent"],
}
ALL = pytest.mark.parametrize("name", FIGURES)


def parsed(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)  # noqa: S314  made by the library itself


def words_of(svg: str) -> list[str]:
    """Texts of the drawing."""
    return ["".join(node.itertext()) for node in parsed(svg).iter(f"{SVG}text")]


@cache  # drawing takes most of the time of these tests
def inline(name: str, title: str = "A figure") -> str:
    return figures.inline_svg(figures.svg_of(FIGURES[name][0]()), title)


def test_a_figure_is_saved_as_png_and_svg(tmp_path: Path) -> None:
    name = "methods"
    png, svg = figures.save(figures.svg_of(FIGURES[name][0]()), tmp_path / "new" / f"{name}.v1")
    assert (png.name, svg.name) == (f"{name}.v1.png", f"{name}.v1.svg")
    with Image.open(png) as image:
        image.load()
        assert image.format == "PNG"
        width, height = image.size
        assert image.convert("RGB").getpixel((0, 0)) == (255, 255, 255)
    root = parsed(svg.read_text("utf-8"))
    sides = [float(side) for side in root.attrib["viewBox"].split()[2:]]
    assert (width, height) == pytest.approx([2 * side for side in sides], abs=2)
    assert {path.name for path in png.parent.iterdir()} == {png.name, svg.name}
    assert "currentColor" not in svg.read_text("utf-8")


@ALL
def test_a_figure_is_valid_vega_lite(name: str) -> None:
    FIGURES[name][0]().to_dict(validate=True)


@ALL
def test_a_figure_has_its_labels(name: str) -> None:
    found = words_of(inline(name))
    for word in WORDS[name]:
        assert any(word in text for text in found), (word, found)


@ALL
def test_a_figure_in_a_page_takes_its_colours_and_width_from_it(name: str) -> None:
    svg = inline(name)
    root = parsed(svg)
    assert root.tag == f"{SVG}svg"
    sides = [float(side) for side in root.attrib["viewBox"].split()[2:]]
    assert 300 <= sides[0] <= 400  # a phone's width, and that of a column
    assert not {"width", "height"} & set(root.attrib)
    texts = {node.attrib.get("fill") for node in root.iter(f"{SVG}text")}
    assert texts == {"currentColor"}
    assert INK not in svg
    backgrounds = [n for n in root.iter() if n.attrib.get("fill") in ("white", "#ffffff")]
    assert backgrounds == []


@ALL
def test_a_figure_in_a_page_has_a_name_and_ids_of_its_own(name: str) -> None:
    first, second = inline(name, 'One & "only"'), inline(name)
    root = parsed(first)
    assert root.attrib["role"] == "img"
    title = root[0]
    assert (title.tag, title.text) == (f"{SVG}title", 'One & "only"')
    assert root.attrib["aria-labelledby"] == title.attrib["id"]
    ids = [set(re.findall(r'\bid="([^"]+)"', svg)) for svg in (first, second)]
    assert not ids[0] & ids[1]
    for svg, own in zip((first, second), ids, strict=True):
        assert set(re.findall(r"url\(['\"]?#([^'\")]+)", svg)) <= own
        assert len(re.findall(r'\bid="', svg)) == len(own)


@ALL
def test_a_figure_is_described_with_numbers(name: str) -> None:
    described = FIGURES[name][1]()
    assert re.search(r"\d", described)
    assert described.endswith(".")
    assert described[0].isupper() or described.startswith("clip")
    assert len(described) < 500
    assert "\n" not in described


def test_names_of_classes_are_never_markup() -> None:
    for name in ("gains", "confusions"):
        svg = inline(name, NAMES[1])
        assert "<script" not in svg
        assert {node.tag.removeprefix(SVG) for node in parsed(svg).iter()} <= {
            "svg", "g", "path", "text", "line", "rect", "title", "defs", "clipPath"
        }  # fmt: skip


def test_the_classes_that_change_most_stand_for_a_thousand() -> None:
    many = thousand_classes()
    chart = figures.gains(many)
    assert chart is not None
    texts = words_of(figures.inline_svg(figures.svg_of(chart), "x"))
    names = [text for text in texts if text.startswith("class ")]
    gains = {c.name: c.after - c.before for c in many.classes}
    assert len(names) == 40
    assert min(gains[name] for name in names[:20]) == 20
    assert max(gains[name] for name in names[20:]) == -20
    assert "The 40 that change most are drawn" in figures.describe_gains(many)


def test_what_there_is_not_is_not_drawn() -> None:
    bare = analysis(
        shown=None, sizes=[], surfaces=[], confused_before=[], confused_after=[], histograms=[]
    )
    empty = Result.model_validate(result(seeds=[]) | {"runs": []})
    assert figures.affinities(bare) is None
    assert figures.sizes(bare) is None
    assert figures.gains(bare) is None
    assert figures.confusions(bare) is None
    assert figures.shots(empty) is None
    assert figures.methods(empty) is None
    assert figures.describe_sizes(bare) == "The shown row uses no support set."
    assert figures.describe_confusions(bare) == "No test image is taken for another class."
    assert figures.describe_shots(empty) == "No few-shot support set was evaluated."
    assert figures.describe_methods(empty) == "No row can be compared."


def test_a_row_with_one_size_is_told_once() -> None:
    one = analysis(
        sizes=[size_point("fusion", 4, 65.0)], sizes_left_out=["fusion", "real-linear-exact"]
    )
    said = figures.describe_sizes(one)
    assert "fusion 65.0 % with 4; zero-shot" in said
    assert "No curve of fusion and real-linear-exact: fitting anew" in said


def test_few_shot_curves_are_of_one_protocol_and_encoder() -> None:
    rows = [
        spread(protocol="fixed", top1_mean=10.0),
        spread(protocol="validation", tuned_on="test", top1_mean=90.0),
        spread(protocol="support", tuned_on="support", top1_mean=50.0),
        spread(encoder="siglip", top1_mean=70.0),
    ]
    found = Result.model_validate(result(run(), seeds=rows))
    assert "tip-x 50.0 ± 0.6" in figures.describe_shots(found)
    assert "70.0" in figures.describe_shots(found, "siglip")
    assert figures.shots(found, "siglip") is not None


def test_the_best_comparable_row_is_named() -> None:
    described = figures.describe_methods(rich_result())
    assert "Best: zero-shot (siglip, nothing to tune) with 72.0 %" in described
    assert "1 row was tuned on the test images and does not compare" in described
    full = Result.model_validate(full_result())
    assert figures.methods(full) is not None


def test_one_shared_label_place_is_not_used_twice() -> None:
    same = [*analysis().sizes[:3]]
    twins = [point.model_copy(update={"case": point.case.model_copy(update={"method": "twin"})})
             for point in same]  # fmt: skip
    chart = figures.sizes(analysis(sizes=[p.model_dump() for p in [*same, *twins]]))
    assert chart is not None
    root = parsed(figures.inline_svg(figures.svg_of(chart), "x"))
    heights = [
        float(re.findall(r"translate\(([^,]+),([^)]+)\)", node.attrib["transform"])[0][1])
        for node in root.iter(f"{SVG}text")
        if "64.0" in "".join(node.itertext())
    ]
    assert len(heights) == 2
    assert abs(heights[0] - heights[1]) >= 14
    widths = [
        float(line.attrib["stroke-width"])
        for group in root.iter(f"{SVG}g")
        if "mark-line" in group.attrib.get("class", "")
        for line in group.iter(f"{SVG}path")
    ]
    assert widths == [6.0, 2.0]  # the lower one is seen on both sides of the upper one


@pytest.mark.parametrize("values", [[50.0], [0.0, 100.0], [60.0, 60.05], [33.333, 47.1]])
def test_steps_of_colour_are_round_and_hold_all_values(values: list[float]) -> None:
    steps = _steps(values)
    assert steps[0] <= min(values)
    assert max(values) <= steps[-1]
    assert 3 <= len(steps) <= LEVELS + 3
    assert len({round(b - a, 6) for a, b in pairwise(steps)}) == 1


def test_a_flat_surface_is_one_colour() -> None:
    flat = surface(accuracy=[[50.0] * 3] * 2, plateau=45.0, plateau_share=1.0)
    assert "Best 50.0 %; 100 % of the points" in figures.describe_surface(flat)
    parsed(figures.svg_of(figures.surface(flat)))


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("colour", COLOURS)
def test_colours_show_on_light_and_dark(colour: str) -> None:
    for background in ("#ffffff", "#121212"):
        levels = sorted([luminance(colour), luminance(background)])
        assert (levels[1] + 0.05) / (levels[0] + 0.05) >= GRID_LINES, background


def test_nothing_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    import altair as alt

    outside = alt.Chart("https://example.org/data.json").mark_point()
    with pytest.raises(ValueError, match=r"(?i)not allowed|allowed|fail|error"):
        figures.svg_of(outside)


def test_an_analysis_survives_json() -> None:
    text = analysis().model_dump_json(by_alias=True)
    assert Analysis.model_validate_json(text) == analysis()
