"""The figure of mean ranks: what it joins, how rows are named, and how many of them fit."""

import re
from functools import cache
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from susx.evaluation.schema import Result
from susx.report.draw_ranks import LINE, STEP, describe_ranks, ranks, row_names
from susx.report.drawing import WIDTH, inline_svg, svg_of
from susx.report.lines import summary_lines
from susx.report.ranking import Ranked, RankTable, rank_tables
from susx.report.results_table import TableRow, result_rows
from tests.made.ranked import ranked_results
from tests.made.result import result, run

SVG = "{http://www.w3.org/2000/svg}"
PLACE = re.compile(r"translate\(([-\d.]+),([-\d.]+)\)")


def rows_of(*runs: dict[str, object]) -> list[TableRow]:
    return result_rows(Result.model_validate(result(*runs))).rows


@cache
def table_of(n: int) -> RankTable:
    results = ranked_results(n, 8)
    (table,) = rank_tables(summary_lines([result_rows(found) for found in results]), 8)
    return table


@cache
def drawn(n: int) -> ElementTree.Element:
    ranks(table_of(n)).to_dict(validate=True)
    return ElementTree.fromstring(  # noqa: S314  made by the library itself
        inline_svg(svg_of(ranks(table_of(n))), "Mean ranks")
    )


def marks(n: int, kind: str) -> list[ElementTree.Element]:
    """Marks of a kind, layer by layer."""
    return [
        mark
        for group in drawn(n).iter(f"{SVG}g")
        if f"mark-{kind} role-mark" in group.attrib.get("class", "")
        for mark in group
    ]


def place(mark: ElementTree.Element) -> tuple[float, float]:
    found = PLACE.search(mark.attrib["transform"])
    assert found
    return float(found[1]), float(found[2])


@pytest.mark.parametrize("n", [3, 5, 40])
def test_every_classifier_has_a_line_and_a_point_at_its_rank(n: int) -> None:
    points = [place(mark) for mark in marks(n, "symbol")]

    assert len(points) == n
    heights = [y for _, y in points]
    assert all(below - above == pytest.approx(STEP) for above, below in pairwise(heights))
    shares = [(x - points[0][0]) / (points[-1][0] - points[0][0]) for x, _ in points]
    found = [one.rank for one in table_of(n).ranked]
    expected = [(rank - found[0]) / (found[-1] - found[0]) for rank in found]
    assert shares == pytest.approx(expected, abs=1e-3)  # places have three decimals


@pytest.mark.parametrize("n", [5, 40])
def test_bars_join_what_does_not_differ(n: int) -> None:
    table, points = table_of(n), [place(mark) for mark in marks(n, "symbol")]
    ends = {}
    for mark in marks(n, "rule"):
        (x, y), to = place(mark), {"x2": "0", "y2": "0"} | mark.attrib
        ends[round(x), round(y)] = round(x + float(to["x2"])), round(y + float(to["y2"]))

    assert table.differ and table.groups
    assert len(ends) == 2 * len(table.groups) + 1  # and the ruler
    for first, last in table.groups:
        (left, top), (right, bottom) = (
            (round(x), round(y)) for x, y in (points[first], points[last])
        )
        assert ends[left, top] == (right, top)
        assert ends[right, top] == (right, bottom)


@pytest.mark.parametrize("n", [3, 5, 40])
def test_the_figure_is_as_wide_as_a_telephone_and_has_every_name(n: int) -> None:
    words = {"".join(text.itertext()) for text in drawn(n).iter(f"{SVG}text")}

    assert 300 <= float(drawn(n).attrib["viewBox"].split()[2]) <= WIDTH + 30  # and its padding
    for name in row_names([one.row for one in table_of(n).ranked]):
        assert any(text.startswith(name.partition(LINE)[0]) for text in words), name


def test_names_tell_only_what_tells_rows_apart() -> None:
    tuned = {"method": "tip-x", "support": "lc"}
    few = [run(**tuned, protocol=protocol) for protocol in ("fixed", "validation")]
    texts = [run(method="cupl"), run(method="cupl", text="photo")]

    names = list(row_names(rows_of(run(), *few, run(method="gda", support="lc"), *texts)))

    assert names == [
        "zero-shot",
        f"tip-x{LINE}lc · fixed values",
        f"tip-x{LINE}lc · validation",
        f"gda{LINE}lc",
        f"cupl{LINE}ensemble",
        f"cupl{LINE}photo",
    ]


def test_all_rows_of_many_settings_have_names_of_their_own() -> None:
    names = list(row_names([one.row for one in table_of(40).ranked]))

    assert len(set(names)) == 40


def test_words_say_from_how_many_the_best_is_not_told() -> None:
    first, *others = table_of(40).ranked
    near = sum(one.rank - first.rank < table_of(40).critical_difference for one in others)

    said = describe_ranks(table_of(40))

    assert f"from which {near} of the 39 others cannot be told apart" in said
    assert said.startswith("Mean ranks on 8 datasets. Best: ") and len(said) < 500


def test_where_all_may_be_equally_good_one_bar_joins_all_and_no_ruler_is_drawn() -> None:
    (row,) = rows_of(run())
    table = RankTable("clip", [Ranked(row, 1.5 + i, 50.0) for i in range(3)], None, 4, 0, 0, 0.3, 1)

    svg = inline_svg(svg_of(ranks(table)), "Mean ranks")

    assert "critical difference" not in svg
    assert "is not refuted (Friedman’s test, p = 0.300): one bar joins all" in describe_ranks(table)


def test_names_of_others_are_never_markup() -> None:
    odd = rows_of(*(run(method=f"<script>{i}\x1b</script>") for i in range(3)))
    ranked = [Ranked(row, 1.0 + i, 50.0) for i, row in enumerate(odd)]

    svg = inline_svg(
        svg_of(ranks(RankTable("clip", ranked, None, 4, 0, 0, 0.01, 0.5))), "Mean ranks"
    )

    assert "<script" not in svg and "&lt;script&gt;0" in svg
