"""Text of others in a report: names, captions, addresses, metadata, reasons."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from susx.evaluation.schema import Result
from susx.report.gallery import web_address
from susx.report.page import ImageFiles
from susx.report.render import render
from susx.report.summary import write_summary
from tests.html_page import Page
from tests.made.report import analysis_of, made_report, result_of
from tests.made.result import image_counts, result, run

SCRIPT = "<script>alert(1)</script>"
HOSTILE = [
    SCRIPT,
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "{{ 7 * 7 }}{% raw %}",
    "</style></title></template></dialog>",
    "=1+1",
    "&lt;b&gt;",
    "عربي",
]
STEERING = "a\u202egnp.exe\u200b\x1b[2J\x00"


def page_of(folder: Path, **changes: object) -> Page:
    made = made_report(folder / "files", HOSTILE, **changes)
    return Page(made.write(folder / "report.html"))


def test_names_captions_and_addresses_are_text(tmp_path: Path) -> None:
    page = page_of(
        tmp_path,
        caption=f"{SCRIPT}{STEERING}",
        url="javascript:alert(1)",
        metadata=json.dumps({SCRIPT: STEERING, "punsafe": 0.25}),
        source=f"retrieval {SCRIPT}",
    )

    assert len(page.all("script")) == 1
    assert {e.tag for e in page.elements()} <= {
        *("html", "head", "meta", "title", "link", "style", "body", "header", "nav", "main"),
        *("section", "div", "span", "h1", "h2", "h3", "p", "a", "b", "bdi", "br", "small", "code"),
        *("table", "caption", "thead", "tbody", "tr", "th", "td", "ul", "ol", "li", "dl", "dt"),
        *("dd", "details", "summary", "button", "img", "template", "dialog", "pre", "footer"),
        "script",
    }
    headings = [e.text for e in page.all("h3") if e.path[-2:] == ("div", "div")]
    assert headings == HOSTILE
    assert {*STEERING} & {*page.root.text} <= {*"agnp.exe[2J"}
    (facts,) = {
        t.text
        for t in page.all("template")
        if f"{HOSTILE[0]}caption" in t.text and "rank1s" in t.text
    }
    assert "javascript:alert(1)" in facts
    assert not any("javascript" in address for address in page.addresses())


def test_only_addresses_of_the_web_are_linked(tmp_path: Path) -> None:
    page = page_of(tmp_path, url="https://example.org/a?b=1&c=<i>")

    links = [a for a in page.all("a") if a.attributes["href"].startswith("http")]
    assert {a.attributes["href"] for a in links} == {"https://example.org/a?b=1&c=<i>"}
    assert {a.text for a in links} == {"https://example.org/a?b=1&c=<i>"}
    for link in links:
        assert {"noopener", "noreferrer"} <= {*link.attributes["rel"].split()}


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        " javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "java\nscript:alert(1)",
        "data:text/html,<script>alert(1)</script>",
        "file:///etc/passwd",
        "//example.org/a",
        "vbscript:x",
        "https://user:word@example.org/",
        "https://example.org/\u202egnp.exe",
        "https://example.org/?token=abcdefgh1234",
        "https://exa mple.org/",
        "https:///path",
        "http://[::1",
        "",
    ],
)
def test_other_addresses_are_not(url: str) -> None:
    assert web_address(url) is None


@given(st.text(max_size=30))
def test_an_address_is_linked_as_it_is_or_not_at_all(text: str) -> None:
    for url in (text, f"https://example.org/{text}"):
        assert web_address(url) in (None, url)
        if web_address(url):
            assert url.lower().startswith(("http://", "https://"))
            assert url.isprintable()


def test_secrets_are_masked(tmp_path: Path) -> None:
    page = page_of(
        tmp_path, url="https://me:hunter2@example.org/?sig=abcdef", caption="hf_" + "a" * 30
    )

    for secret in ("hunter2", "abcdef", "a" * 30):
        assert secret not in page.root.text
        assert all(secret not in v for e in page.elements() for v in e.attributes.values())


def test_reasons_and_provenance_are_text(tmp_path: Path) -> None:
    made = made_report(tmp_path / "files", ["a", "b"])
    counts = image_counts(1, 2, unreadable={SCRIPT: f"{SCRIPT}{STEERING}"})
    values = made.result.model_dump(by_alias=True)
    values["images"] = {SCRIPT: counts}
    values["skipped"][0]["reason"] = SCRIPT
    values["provenance"]["git_commit"] = SCRIPT
    values["provenance"]["config"]["dataset"]["template"] = f"{SCRIPT} of a {{}}."
    changed = Result.model_validate(values)

    page = Page(
        type(made)(changed, made.classes, made.analysis, made.files).write(tmp_path / "report.html")
    )

    assert len(page.all("script")) == 1
    assert page.root.text.count(SCRIPT) >= 5
    assert "\x1b" not in page.root.text


def test_names_of_encoders_and_methods_are_text(tmp_path: Path) -> None:
    made = made_report(tmp_path / "files", ["a", "b"])
    odd = run(encoder=SCRIPT, method=SCRIPT, text=SCRIPT, per_class=[None, None])
    analysis = analysis_of(made.classes, encoder=SCRIPT)
    changed = result_of(made.classes, runs=[odd])

    page = Page(
        type(made)(changed, made.classes, analysis, ImageFiles()).write(tmp_path / "report.html")
    )

    assert len(page.all("script")) == 1
    assert page.table("Accuracy in percent").rows()[0][0] == SCRIPT


def test_the_summary_escapes_as_well(tmp_path: Path) -> None:
    odd = Result.model_validate(result(run(method=SCRIPT), dataset=SCRIPT))
    write_summary(str(tmp_path / "report.html"), [(odd, "a%22b/report.html")])

    page = Page((tmp_path / "report.html").read_text("utf-8"))

    assert len(page.all("script")) == 1
    assert page.table("Top-1 accuracy").rows()[0][0] == SCRIPT


def test_a_template_that_names_nothing_is_an_error() -> None:
    from jinja2 import UndefinedError

    with pytest.raises(UndefinedError):
        render("report.html.j2")
