"""The page over all datasets: cells, means, what is marked, and its files."""

import base64
import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from susx.evaluation.schema import Result
from susx.report.results_table import result_rows
from susx.report.summary import write_summary
from tests.html_page import Page
from tests.made.result import difference, result, run, spread

INTERVAL = "55.0 to 67.5"
"""Of every made row."""


def dataset(name: str, top1: float, *others: dict[str, Any]) -> Result:
    tuned = run(method="tip-x", support="lc", protocol="fixed", top1=top1)
    tuned["delta_vs_zero_shot"] = difference(top1 - 61.24)
    return Result.model_validate(result(run(), tuned, *others, dataset=name))


def test_the_summary_joins_the_same_classifier_of_all_datasets(tmp_path: Path) -> None:
    only = run(method="dn", transductive=True, top1=50.0)
    tested = run(method="ape", support="lc", protocol="validation", tuned_on="test", top1=90.0)
    results = [dataset("pets", 70.0, only), dataset("cars", 80.0, tested)]
    path = tmp_path / "results/report.html"

    write_summary(str(path), [(r, f"{r.dataset}/report.html") for r in results])

    page = Page(path.read_text("utf-8"))
    same = f"61.2 ≈ {INTERVAL}"
    assert page.table("Top-1 accuracy").rows() == [
        ["zero-shot", "61.2 56.9 to 65.6", "–", "ensemble", "–", "–", same, same],
        [
            *("tip-x", "75.0 60.5 to 81.4", "+13.8 +2.7 to +22.8"),
            *("ensemble", "lc", "fixed values", f"70.0 +8.8 {INTERVAL}", f"80.0 +18.8 {INTERVAL}"),
        ],
        ["dn transductive", "–", "–", "ensemble", "–", "–", f"50.0 {INTERVAL}", "–"],
        [
            *("ape", "–", "–", "ensemble", "lc", "validation"),
            *("–", f"90.0 tuned on test {INTERVAL}"),
        ],
    ]
    body = next(page.table("Top-1 accuracy").all("tbody"))
    bold = [[b.text for cell in row.children[1:] for b in cell.all("b")] for row in body.all("tr")]
    highest = ["75.0", "+13.8", "70.0", "80.0"]
    assert bold == [[], highest, [], []]  # 90.0 is tuned on the test images
    datasets = page.table("Accuracies in percent")
    assert [row[3:] for row in datasets.rows()] == [
        ["61.2", "70.0", "tip-x"],
        ["61.2", "80.0", "tip-x"],
    ]
    links = [a.attributes["href"] for a in datasets.all("a")]
    assert links == ["pets/report.html", "cars/report.html"]


def test_a_mean_over_test_tuned_accuracies_says_so(tmp_path: Path) -> None:
    fair, unfair = (
        dataset(name, 70.0, run(method="ape", protocol="validation", tuned_on=tuned_on, top1=80.0))
        for name, tuned_on in (("pets", "validation"), ("cars", "test"))
    )

    write_summary(str(tmp_path / "report.html"), [(fair, None), (unfair, None)])

    page = Page((tmp_path / "report.html").read_text("utf-8"))
    row = page.table("Top-1 accuracy").rows()[-1]
    assert row[6:] == [f"80.0 {INTERVAL}", f"80.0 tuned on test {INTERVAL}"]
    assert row[1].startswith("80.0 some tuned on test ")


def test_a_summary_of_one_dataset_has_no_mean(tmp_path: Path) -> None:
    write_summary(str(tmp_path / "report.html"), [(dataset("pets", 70.0), None)])

    page = Page((tmp_path / "report.html").read_text("utf-8"))

    assert "mean" not in [th.text for th in page.table("Top-1 accuracy").all("th")]
    assert page.all("a")[0].attributes["href"] == "#main"


def test_a_few_shot_cell_has_its_spread_in_place_of_an_interval(tmp_path: Path) -> None:
    few = {"method": "tip-x", "support": "few", "protocol": "fixed"}
    rows = [run(), run(**few, seed=0), run(**few, seed=1)]
    made = Result.model_validate(result(*rows, seeds=[spread()]))

    write_summary(str(tmp_path / "report.html"), [(made, None)])

    page = Page((tmp_path / "report.html").read_text("utf-8"))
    assert page.table("Top-1 accuracy").rows()[1][4] == "71.5 std 0.61, 3 seeds"


def against(reference: dict[str, Any], holm_p: float | None) -> dict[str, Any]:
    named = {"reference": reference["method"], "protocol": reference["protocol"]}
    return difference(holm_p=holm_p) | named


def undecided(*rows: dict[str, Any]) -> list[str]:
    table = result_rows(Result.model_validate(result(*rows)))
    return [row.method for row in table.rows if table.is_undecided(row)]


ZERO, TEXT = run(top1=60.0), run(method="cupl", top1=65.0)


@pytest.mark.parametrize(("p", "found"), [(0.05, ["zero-shot"]), (0.0499, []), (None, [])])
def test_a_reference_that_the_best_row_does_not_differ_from_is_marked(
    p: float | None, found: list[str]
) -> None:
    best = run(method="tip-x", top1=70.0, delta_vs_zero_shot=against(ZERO, p))

    assert undecided(ZERO, best) == found


def test_rows_that_do_not_differ_from_the_best_texts_are_marked() -> None:
    compared = {"delta_vs_zero_shot": against(ZERO, 0.01)}
    zero = ZERO | {"delta_vs_best_text": against(TEXT, 0.01)}
    near = run(method="tip-x", top1=64.0, **compared, delta_vs_best_text=against(TEXT, 0.4))
    far = run(method="gda", top1=50.0, **compared, delta_vs_best_text=against(TEXT, 0.001))
    other = run(encoder="siglip", method="gda", top1=64.0)

    assert undecided(zero, TEXT | compared, near, far, other) == ["tip-x"]


def test_of_two_rows_that_were_not_tested_against_each_other_nothing_is_said() -> None:
    compared = {"delta_vs_zero_shot": against(ZERO, 0.9)}

    best, other = (run(method=m, top1=t, **compared) for m, t in (("tip-x", 70.0), ("gda", 69.9)))

    assert undecided(ZERO, best, other) == ["zero-shot"]


def test_encoders_have_a_column_where_there_are_several(tmp_path: Path) -> None:
    made = Result.model_validate(result(run(), run(encoder="siglip")))

    write_summary(str(tmp_path / "report.html"), [(made, None)])

    page = Page((tmp_path / "report.html").read_text("utf-8"))
    assert [row[1] for row in page.table("Top-1 accuracy").rows()] == ["clip", "siglip"]


def test_rows_that_are_equally_high_are_all_the_best(tmp_path: Path) -> None:
    rows = [run(method=method, top1=70.0) for method in ("tip-x", "gda")]
    made = Result.model_validate(result(run(), *rows))

    write_summary(str(tmp_path / "report.html"), [(made, None)])

    page = Page((tmp_path / "report.html").read_text("utf-8"))
    assert [b.text for b in page.table("Top-1 accuracy").all("b")] == ["70.0", "70.0"]


def decoded(page: Page, name: str) -> str:
    (link,) = [a for a in page.all("a") if a.attributes.get("download") == name]
    return base64.b64decode(link.attributes["href"].partition(",")[2]).decode()


def test_the_tables_are_files_of_the_page(tmp_path: Path) -> None:
    results = [dataset("pets", 70.0, run(method="dn", top1=50.0)), dataset("=cars", 80.0)]
    write_summary(str(tmp_path / "report.html"), [(r, None) for r in results])
    page = Page((tmp_path / "report.html").read_text("utf-8"))

    cells = json.loads(decoded(page, "accuracies.json"))
    means = json.loads(decoded(page, "means.json"))

    assert [(c["dataset"], c["method"], c["top1"], c["ci95_low"]) for c in cells] == [
        ("pets", "zero-shot", 61.24, 55.04),
        ("pets", "tip-x", 70.0, 55.04),
        ("pets", "dn", 50.0, 55.04),
        ("=cars", "zero-shot", 61.24, 55.04),
        ("=cars", "tip-x", 80.0, 55.04),
    ]
    assert [(m["method"], m["top1"], m["n_datasets"]) for m in means] == [
        ("zero-shot", 61.24, 2),
        ("tip-x", 75.0, 2),
    ]
    # Two lower ends lie 70 - 55.04 and 80 - 55.04 below, and add up as errors do.
    below = (14.96**2 + 24.96**2) ** 0.5 / 2
    assert means[1]["top1_low"] == pytest.approx(75 - below)
    assert means[0]["vs_zero_shot"] is None
    rows = list(csv.DictReader(io.StringIO(decoded(page, "accuracies.csv"), newline="")))
    assert [row["dataset"] for row in rows[2:4]] == ["pets", "'=cars"]
    assert [float(row["top1"]) for row in rows] == [c["top1"] for c in cells]
