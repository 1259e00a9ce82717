"""What a report contains, read without a browser."""

import base64
import hashlib
import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from susx.config import parse_config
from susx.core.errors import InputError
from susx.evaluation.reported import reported_for
from susx.evaluation.schema import Result
from susx.report.page import ImageFiles
from tests.html_page import Element, Page
from tests.made.report import Made, made_report, names_of
from tests.made.result import result, run

NAMES = ["zebra", "a/b", "café", "apple"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return made_report(tmp_path_factory.mktemp("report") / "files", NAMES)


@pytest.fixture(scope="module")
def text(made: Made, tmp_path_factory: pytest.TempPathFactory) -> str:
    return made.write(tmp_path_factory.mktemp("page") / "report.html")


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    return Page(text)


def example(page: Page, change: str) -> Element:
    """The first example that is `corrected` or `broken`, but for those of the strip on top."""
    items = (li for li in page.all("li") if "header" not in li.path)
    return next(li for li in items if li.attributes.get("class") == change)


def test_the_page_begins_with_test_images_before_and_after(page: Page) -> None:
    strip = next(e for e in page.all("ul") if e.attributes.get("class") == "strip")

    assert strip.path[-1] == "header"
    told = [(li.attributes["class"], " ".join(li.text.split())) for li in strip.all("li")]
    assert told == [("corrected", "a/b → zebra"), ("broken", "zebra → zebra")]
    assert "12 became right, 3 wrong" in page.all("header")[0].text


def test_nothing_is_loaded_from_anywhere(page: Page) -> None:
    targets = {
        element.attributes["id"] for element in page.elements() if "id" in element.attributes
    }

    for address in page.addresses():
        assert address.startswith("data:") or address.removeprefix("#") in targets, address
    assert "url(" not in page.all("style")[0].text
    assert "import" not in page.all("style")[0].text + page.all("script")[0].text


def test_the_policy_allows_this_script_and_no_other(page: Page) -> None:
    policy = next(
        meta.attributes["content"]
        for meta in page.all("meta")
        if meta.attributes.get("http-equiv") == "Content-Security-Policy"
    )
    (script,) = page.all("script")
    digest = base64.b64encode(hashlib.sha256(script.text.encode()).digest()).decode()

    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules == {
        "default-src": "'none'",
        "img-src": "data:",
        "style-src": "'unsafe-inline'",
        "script-src": f"'sha256-{digest}'",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    handlers = [n for element in page.elements() for n in element.attributes if n.startswith("on")]
    assert handlers == []


def test_headings_go_down_by_one_level_at_a_time(page: Page) -> None:
    headings = [int(e.tag[1]) for e in page.elements() if re.fullmatch(r"h\d", e.tag)]

    assert headings[0] == 1
    assert headings.count(1) == 1
    assert all(b <= a + 1 for a, b in pairwise(headings))


def test_tables_have_captions_and_their_headers_a_scope(page: Page) -> None:
    assert len(page.all("table")) >= 6
    for table in page.all("table"):
        assert next(table.all("caption")).text.strip()
        assert {header.attributes["scope"] for header in table.all("th")} <= {"col", "row"}
        columns = len(list(next(table.all("thead")).all("th")))
        assert all(len(row) in (1, columns) for row in table.rows())


def test_pictures_have_a_text_and_a_size(page: Page) -> None:
    images = page.all("img")

    assert len(images) > len(NAMES) * 3
    for image in images:
        assert image.attributes["alt"].strip()
        assert image.attributes["src"].startswith("data:image/webp;base64,")
        assert int(image.attributes["width"]) <= 96 >= int(image.attributes["height"])


def test_identifiers_are_unique_and_labels_name_them(page: Page) -> None:
    ids = [e.attributes["id"] for e in page.elements() if "id" in e.attributes]

    assert len(ids) == len(set(ids))
    named = [
        e.attributes["aria-labelledby"]
        for e in page.elements()
        if "aria-labelledby" in e.attributes
    ]
    assert {*named} <= {*ids}


def test_the_page_tells_its_language_and_can_be_skipped_through(page: Page) -> None:
    assert page.all("html")[0].attributes["lang"] == "en"
    skip = page.all("a")[0]
    assert skip.attributes["href"] == "#main"
    assert page.all("main")[0].attributes["id"] == "main"
    assert page.all("title")[0].text == "pets: report"


def test_rows_are_those_of_the_result_and_few_shot_seeds_share_one(page: Page) -> None:
    rows = page.table("Accuracy in percent").rows()

    assert [row[0] for row in rows] == [
        "zero-shot",
        "tip-adapter tuned on test",
        "tip-x",
        "fusion transductive",
    ]
    assert rows[1][1:] == [
        *("80.00", "–", "ensemble", "lc", "TEST SPLIT", "55.0 to 67.5", "90.0", "60.0"),
        *("+4.0 +2.0 to +6.0", "–"),
    ]
    assert (rows[2][1], rows[2][6]) == ("71.50", "std 0.61, 2 seeds")


def test_every_run_tells_how_well_its_probabilities_fit(page: Page) -> None:
    rows = page.table("How well the probabilities").rows()
    assert len(rows) == 5  # every few-shot seed has its own
    assert rows[0][5:] == ["0.80", "validation", "4.3", "0.432"]
    assert rows[2][3] == "few, seed 0"


def test_what_is_tuned_on_the_test_images_is_not_the_highest(page: Page) -> None:
    marked = [row for row in page.all("tr") if row.attributes.get("class") == "best"]

    assert [next(row.all("th")).text for row in marked] == ["fusion transductive"]
    assert "highest: fusion, lc" in page.all("header")[0].text


def test_every_class_has_its_images_of_every_source(page: Page) -> None:
    (gallery,) = [e for e in page.all("div") if e.attributes.get("class") == "gallery"]
    rows = [e for e in gallery.children if e.attributes["class"] == "row"]

    assert [next(row.all("h3")).text for row in rows] == NAMES
    for row in rows:
        cells = [e for e in row.all("div") if e.attributes.get("class") == "cell"]
        assert [len(list(cell.all("img"))) for cell in cells] == [4, 4, 4]
        assert [next(cell.all("b")).text for cell in cells] == ["lc", "sd", "test"]


def test_a_picture_tells_where_it_comes_from(page: Page) -> None:
    def facts(source: str) -> dict[str, str]:
        template = next(t for t in page.all("template") if source in t.text)
        names, values = list(template.all("dt")), list(template.all("dd"))
        return {n.text: v.text.strip() for n, v in zip(names, values, strict=True)}

    assert facts("retrieval from web") == {
        "class": "zebra",
        "caption": "a photo of a zebra.",
        "query": "a photo of zebra",
        "nearest to images of": NAMES[1],
        "nearest to the text of": "zebra",
        "source": "retrieval from web",
        "place": "pool/000.tar#00000-00000",
        "rank": "1",
        "score": "0.3000",
        "size": "48 x 36",
    }
    drawn = facts("synthesis with model")
    assert (drawn["prompt"], drawn["seed"]) == ("a photo of a zebra.", "0")
    assert facts("test images")["key"] == "zebra/0.jpg"


def test_images_that_vote_against_their_class_are_marked_and_counted(page: Page) -> None:
    marked = [e for e in page.all("span") if e.attributes.get("class") == "pic outlier"]
    (gallery,) = [e for e in page.all("div") if e.attributes.get("class") == "gallery"]
    inside = [e for e in gallery.all("span") if e.attributes.get("class") == "pic outlier"]

    assert len(inside) == 2 < len(marked)  # they voted for examples, too
    for span in inside:
        alt = next(span.all("img")).attributes["alt"] or ""
        assert alt.startswith(f"votes against its class, for {NAMES[1]}; zebra: ")
    against = [p.text for p in gallery.all("p") if p.attributes.get("class") == "against"]
    assert against == ["≠ 2 of 4 nearer to another class"]
    hint = next(p.text for p in page.all("p") if "marks support images" in p.text)
    assert f"lc: 2 of {4 * len(NAMES)}." in hint and "sd" not in hint


def test_examples_come_with_the_images_that_voted(page: Page) -> None:
    corrected, broken = (example(page, change) for change in ("corrected", "broken"))

    assert len(list(corrected.all("img"))) == len(list(broken.all("img"))) == 4
    assert [small.text for small in corrected.all("small")] == ["+1.50", "+1.00", "+0.50"]
    assert "before: a/b" in corrected.text
    assert "after: zebra" in corrected.text


def test_losses_are_listed_with_reasons(page: Page) -> None:
    rows = page.table("What was left out").rows()

    found = {(where, what): (n, which) for where, what, n, which in rows}
    assert found["test images", "unreadable, left out"] == ("1", "list a/9.jpg: empty file")
    what = "candidates that failed: not downloaded, unreadable or of a wrong size (of 900)"
    assert found["support set lc", what] == ("110", "list HTTP Error 404: Not Found: 110")
    short = found["support set lc", "classes with fewer images than wanted"]
    assert short == ("1", "list zebra: 14 of 16")
    assert found["text ensemble", "sentences longer than clip reads, cut"] == ("2", "–")


def test_the_shown_configuration_makes_the_result_again(page: Page, made: Made) -> None:
    (shown,) = [e for e in page.all("pre") if e.attributes["aria-label"] == "Configuration"]
    config = parse_config(yaml.safe_load(shown.text))

    stored = dict(made.result.provenance["config"])
    expected = parse_config({"datasets": {"pets": stored.pop("dataset")}, **stored})
    assert config == expected


def test_published_features_have_no_images_and_say_so(made: Made, tmp_path: Path) -> None:
    page = Page(replace(made, files=ImageFiles()).write(tmp_path / "report.html"))

    assert page.all("img") == []
    assert "published features: there are no images" in page.root.text
    assert next(li for li in page.all("li") if li.attributes.get("class") == "corrected")


def test_a_result_of_other_images_or_of_another_analysis_is_refused(
    made: Made, tmp_path: Path
) -> None:
    def written(**changes: dict[str, str]) -> None:
        encoder = made.result.encoders["clip"].model_copy(update=changes)
        result = made.result.model_copy(update={"encoders": {"clip": encoder}})
        inputs = {"images-test": "a" * 64}
        analysis = made.analysis.model_copy(update={"inputs": inputs})
        replace(made, result=result, analysis=analysis).write(tmp_path / "r.html")

    written(inputs={"images-test": "a" * 64})
    for changes, name in (
        ({"inputs": {"images-test": "b" * 64}}, "images-test"),
        ({"manifests": {"images-test": "b" * 64}}, "images-test"),
        ({"manifests": {"support-lc": "b" * 64}}, "support-lc"),
    ):
        match = f"pets: the result was made from another {name} than the report reads; delete it"
        with pytest.raises(InputError, match=match):
            written(**changes)


def test_images_that_are_gone_are_counted(tmp_path: Path) -> None:
    made = made_report(tmp_path / "files", names_of(3))
    (tmp_path / "files/test/class-number-2/1.jpg").unlink()
    (tmp_path / "files/test/class-number-2/2.jpg").write_bytes(b"changed")

    page = Page(made.write(tmp_path / "report.html"))

    rows = {row[1]: row[2] for row in page.table("What was left out").rows()}
    assert rows["gone or changed since they were listed, not shown here"] == "2"
    assert len(page.all("img")) == 3 * 3 * 4 - 2 + 2 * 4 + 2  # gallery, examples, strip


def test_two_pages_of_the_same_files_are_equal(made: Made, text: str, tmp_path: Path) -> None:
    again = made.write(tmp_path / "report.html")

    target = re.compile(r"snakemake --cores 2 \S+")
    assert target.sub("", again) == target.sub("", text)


def test_of_few_shot_draws_the_first_is_shown_and_another_may_vote(
    made: Made, tmp_path: Path
) -> None:
    files = made.files.supports
    drawn = {
        "few-seed0": replace(files["lc"], entry="few"),
        "few-seed1": replace(files["sd"], entry="few"),
    }
    shown = made.analysis.shown
    assert shown is not None
    case = shown.model_copy(update={"support": "few", "seed": 1})
    changed = replace(
        made,
        files=ImageFiles(made.files.test, drawn),
        analysis=made.analysis.model_copy(update={"shown": case}),
    )

    page = Page(changed.write(tmp_path / "report.html"))

    (gallery,) = [e for e in page.all("div") if e.attributes.get("class") == "gallery"]
    names = {b.text for cell in gallery.all("p") for b in cell.all("b")}
    assert names == {"few-seed0", "test"}
    corrected = example(page, "corrected")
    voters = [img for p in corrected.all("p") for img in p.all("img")]
    assert len(voters) == 3
    assert sum("synthesis with model" in t.text for t in corrected.all("template")) == 3
    assert "other few-shot draws (few-seed1)" in page.root.text


def test_reported_accuracies_stand_beside_measured_ones(made: Made, tmp_path: Path) -> None:
    config = {
        "dataset": {"card": "dtd", "features": None},
        "encoders": {"clip": {"backbone": "RN50"}},
        "supports": {},
    }
    measured = run(encoder="clip", method="zero-shot", text="photo", top1=43.32)
    whole = Result.model_validate(result(measured, provenance={"config": config}))
    page = Page(replace(made, result=whole, files=ImageFiles()).write(tmp_path / "reported.html"))

    table = page.table("Accuracy in percent")
    columns = [" ".join(header.text.split()) for header in next(table.all("thead")).all("th")]
    (row,) = table.rows()
    cells = dict(zip(columns, row, strict=True))
    assert cells["reported"] == "42.32"
    assert cells["difference"] == "+1.00"
    (source,) = {reported.source for reported in [reported_for(whole.runs[0], whole)] if reported}
    assert source in page.root.text
