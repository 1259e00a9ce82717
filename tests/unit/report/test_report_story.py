"""The row that a page tells of, its details, and its table as files."""

import base64
import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from susx.evaluation.schema import Result
from susx.evaluation.table import case_key
from susx.report.card import describe_card
from susx.report.downloads import downloads, row_values
from susx.report.results_table import result_rows
from susx.report.row_details import MOST, row_details
from susx.report.schema import Analysis
from susx.report.story import story
from tests.html_page import Page
from tests.made.analysis import SHOWN, analysis
from tests.made.report import analysis_of, made_report
from tests.made.result import difference, result, run

TIP_X: dict[str, Any] = {"text": "cupl+e", "support": "lc", "protocol": "validation"}


def rows(*others: dict[str, Any]) -> Result:
    return Result.model_validate(
        result(run(top1=50.0), run(method="cupl+e", text="cupl+e", top1=54.0), *others)
    )


def shares(found: Result, analyses: list[Analysis]) -> dict[str, float]:
    told = story(found, analyses)
    assert told is not None
    return {share.source: pytest.approx(share.gain) for share in told.shares}


def test_the_row_that_is_looked_at_is_told_of_and_not_the_highest() -> None:
    found = rows(
        run(method="tip-x", tuned_on="validation", top1=60.0, **TIP_X),
        run(method="fusion", text="cupl+e", support="lc", top1=70.0, transductive=True),
    )
    told = story(found, [analysis()])

    assert told is not None
    assert (told.run.method, told.chosen) == (SHOWN["method"], True)
    assert shares(found, [analysis()]) == {
        "descriptions": 4.0,
        "support images, tuned on validation": 6.0,
    }


def test_without_a_row_that_is_looked_at_the_highest_fair_one_is_told_of() -> None:
    found = rows(run(method="tip-x", tuned_on="test", top1=90.0, **TIP_X))
    told = story(found, [analysis(shown=None)])

    assert told is not None
    assert (told.run.method, told.chosen) == ("cupl+e", False)
    assert story(Result.model_validate(result() | {"runs": []}), []) is None


def test_a_few_shot_row_says_which_draw_it_is(tmp_path: Path) -> None:
    made = made_report(tmp_path / "files", ["zebra", "apple"])
    few = {"method": "tip-x", "support": "few", "protocol": "fixed", "seed": 1}
    looked_at = analysis_of(made.classes, shown={"text": "ensemble", **few})

    told = story(made.result, [looked_at])

    assert told is not None
    assert (told.run.seed, told.run.top1, told.chosen) == (1, 72.0, True)
    assert told.draw == (
        "It is the draw of seed 1 from few, and so is all that looks closely at it below; all "
        "draws: mean 71.5 %, std 0.61, 2 seeds."
    )
    text = replace(made, analysis=looked_at).write(tmp_path / "report.html")
    (tile,) = [dt.text for dt in Page(text).all("dt") if dt.text.startswith("tip-x, few")]
    assert told.draw in text and tile == "tip-x, few, seed 1"
    assert "support set: few, seed 1" in describe_card(made.result, told)


def test_rows_that_are_no_draw_say_nothing_of_draws(tmp_path: Path) -> None:
    told = story(rows(run(method="tip-x", tuned_on="validation", **TIP_X)), [analysis()])

    assert told is not None
    assert told.draw == ""


@pytest.mark.parametrize("twin", [True, False])
def test_sources_that_are_not_measured_apart_share_their_points(twin: bool) -> None:
    case = {"text": "cupl+e", "support": "lc"}
    others = [run(method="fusion", top1=70.0, transductive=True, **case)]
    if twin:
        others.append(run(method="fusion-inductive", top1=63.0, **case))
    expected = (
        {"descriptions": 4.0, "support images": 9.0, "unlabelled test images": 7.0}
        if twin
        else {"descriptions": 4.0, "support images and unlabelled test images": 16.0}
    )

    assert shares(rows(*others), []) == expected


def test_a_row_without_descriptions_has_no_share_of_theirs() -> None:
    found = rows(run(method="gda", support="lc", top1=58.0))

    assert shares(found, []) == {"support images": 8.0}
    other = rows(run(method="zero-shot", text="photo", top1=58.0))
    assert shares(other, []) == {"texts photo": 8.0}


def test_details_are_those_of_every_row_and_few_shot_seeds_are_joined() -> None:
    few = {"method": "tip-x", "support": "few", "protocol": "fixed", "hyperparameters": {"a": 2}}
    accuracies = [40.0 + i for i in range(36)]
    seeds = [run(**few, seed=s, per_class=[a + 2 * s for a in accuracies] + [None]) for s in (0, 1)]
    found = Result.model_validate(result(run(), *seeds))
    details = row_details(found, [])

    assert {*details} == {case_key(each) for each in found.runs}
    detail = details[case_key(found.runs[1])]
    assert detail.values == ["seed 0: a 2", "seed 1: a 2"]
    assert detail.n_classes == 36  # one has no test images
    assert [entry.after for entry in detail.classes] == [
        *(76.0 - i for i in range(MOST)),
        *(41.0 + i for i in reversed(range(MOST))),
    ]
    assert {entry.before for entry in detail.classes} == {60.0}


def test_the_files_hold_the_table_and_no_formula() -> None:
    compared = {"delta_vs_best_text": difference(4.0, 2.0, 6.0)}
    found = rows(run(method="tip-x", tuned_on="validation", top1=60.0, **TIP_X, **compared))
    table = result_rows(found).rows
    files = downloads(
        [row_values(row, lambda text: "=1+1" if text == "tip-x" else text) for row in table]
    )

    told = {suffix: base64.b64decode(uri.split(",")[1]).decode() for suffix, uri in files.items()}
    as_json = json.loads(told["json"])
    as_csv = list(csv.DictReader(io.StringIO(told["csv"], newline="")))
    assert [row["top1"] for row in as_json] == [50.0, 54.0, 60.0]
    assert as_json[2]["vs_best_text_high"] == 6.0
    assert as_json[0]["support"] is None
    assert [row["method"] for row in as_csv] == ["zero-shot", "cupl+e", "'=1+1"]
    assert as_csv[2]["support"] == "lc"
