"""What a report shows of batches: rows, curves, and names that do not overlap."""

import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from susx.evaluation.schema import Result
from susx.report import figures
from susx.report.batch_rows import batch_curves, batch_rows
from susx.report.draw_batches import HEIGHT, LINE
from susx.report.drawing import inline_svg, svg_of, with_gaps
from tests.html_page import Page
from tests.made.report import made_report
from tests.made.result import case, result

PROTOCOLS: dict[str, dict[str, Any]] = {
    "separate": {"draw": "separate"},
    "weak": {"draw": "correlated", "concentration": 0.1},
    "strong": {"draw": "correlated", "concentration": 0.001},
    "shuffled": {"draw": "shuffled"},
    "many": {"draw": "few-classes", "size": 1000, "classes": [5, 25]},
    "some": {"draw": "few-classes", "size": 64, "classes": [2, 10]},
    "few": {"draw": "few-classes", "size": 64, "classes": [1, 4]},
    "mixed": {"draw": "few-classes", "size": 64, "classes": [1, 4], "unknown_classes": 3},
}
ORDERED = ["few", "some", "many", "mixed", "shuffled", "weak", "strong", "separate"]


def batch_run(method: str, batches: str, top1: float, **changes: Any) -> dict[str, Any]:
    values = {"batchwise": True, "keeps_state": False, "n_tasks": 3, "top1_std": 1.5}
    names = {"method": method, "batches": batches, "tuned_on": "nothing", "seconds": 0.1}
    return case(**names | values | {"top1_mean": top1} | changes)


def result_with(*runs: dict[str, Any]) -> Result:
    counts = {"n_tasks": 3, "n_batches": 3, "batch_sizes": [9, 64], "classes_shown": [1, 4]}
    others = {"unknown_classes": [], "n_images": 100, "n_unknown": 0, "sha256": "0" * 64}
    facts = {name: {"settings": own, **counts, **others} for name, own in PROTOCOLS.items()}
    return Result.model_validate(result(batches=facts, batch_runs=list(runs)))


def crowd(n: int) -> Result:
    """Methods with nearly the same accuracies, whose names want the same place."""
    names = ["zero-shot", *(f"neural-priming-{i}" for i in range(1, n))]
    return result_with(
        *(batch_run(name, p, 60 + i / 100) for i, name in enumerate(names) for p in PROTOCOLS)
    )


def test_protocols_go_from_few_classes_to_many_and_from_random_to_sorted() -> None:
    assert batch_rows(crowd(2)).protocols == ORDERED


def test_a_row_is_a_case_with_all_its_protocols() -> None:
    rows = batch_rows(result_with(batch_run("tda", "few", 50), batch_run("tda", "many", 70))).rows
    assert [{name: run.top1_mean for name, run in row.runs.items()} for row in rows] == [
        {"few": 50, "many": 70}
    ]


def test_a_curve_is_not_tuned_on_the_test_and_averages_few_shot_draws() -> None:
    drawn = {"support": "few", "protocol": "fixed"}
    tested = {"support": "few", "protocol": "validation", "tuned_on": "test"}
    found = result_with(
        batch_run("gda", "few", 90, **tested),
        batch_run("gda", "few", 60, seed=1, **drawn),
        batch_run("gda", "few", 64, seed=2, **drawn),
        batch_run("zero-shot", "few", 70),
    )
    curves = batch_curves(found, "clip")
    assert [(c.method, c.values) for c in curves] == [
        ("zero-shot", {"few": 70}),
        ("gda", {"few": fmean([60, 64])}),
    ]
    assert batch_curves(found, "another") == []


@pytest.mark.parametrize("n", [1, 10, 30])
def test_few_names_stand_beside_many_curves(n: int) -> None:
    found = crowd(n)
    chart = figures.batches(found, "clip")
    assert chart is not None
    chart.to_dict(validate=True)
    svg = inline_svg(svg_of(chart), "Batches")
    named = re.findall(r"translate\(([\d.]+),([\d.]+)\)[^>]*>((?:neural|zero)[^<]*)<", svg)
    assert len(named) == min(n, 5)
    heights = sorted(float(y) for _, y, _ in named)
    # Vega rounds places to 1/1000 of a pixel; names move until they are 1e-9 points apart.
    assert all(b - a >= LINE - 0.01 for a, b in pairwise(heights))
    assert all(name in svg for name in PROTOCOLS)


def test_words_tell_the_best_of_every_protocol() -> None:
    said = figures.describe_batches(crowd(10), "clip")
    assert all(f"{name}: neural-priming-9 60.1 %" in said for name in PROTOCOLS)
    nothing = Result.model_validate(result())
    assert figures.batches(nothing, "clip") is None
    assert figures.describe_batches(nothing, "clip") == "Nothing was evaluated on batches."


def test_places_are_moved_as_little_as_it_takes() -> None:
    assert with_gaps([1.0, 1.0], 2.0) == [0.0, 2.0]
    assert with_gaps([1.0, 9.0], LINE / HEIGHT) == [1.0, 9.0]


def test_a_page_has_the_table_of_batches_and_no_empty_one(tmp_path: Path) -> None:
    made = made_report(tmp_path / "files", ["zebra", "apple"])
    without = Page(made.write(tmp_path / "without.html"))
    assert all(e.attributes.get("id") != "batches" for e in without.elements())
    runs = crowd(2).model_dump(include={"batches", "batch_runs"})
    own = made.result.model_dump(by_alias=True) | runs
    text = replace(made, result=Result.model_validate(own)).write(tmp_path / "report.html")
    table = Page(text).table("Top-1 accuracy in percent: mean of all tasks").text
    assert all(name in table for name in ORDERED)
    assert "neural-priming-1" in table
    assert table.count("60.0 ± 1.5") == table.count("60.0")
