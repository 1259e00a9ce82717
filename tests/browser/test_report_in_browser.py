"""A report as people see and use it."""

import csv
import json
from pathlib import Path

import pytest
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

from tests.browser.chromium import Browser, contrast
from tests.long import long
from tests.made.report import drawn_report

WIDTHS = [360, 800, 1280]  # pixels of telephones, tablets and screens
PHONE = 390
"""Pixels of a telephone that is common now."""
AA = 4.5
HEADER = "#result-table thead th:nth-child({}) button"
COLUMN = "#result-table tbody tr > :nth-child({})"
METHOD, TOP1, TOP5 = 1, 2, 8


def column(browser: Browser, number: int) -> list[str]:
    return [cell.text.split("\n")[0].strip() for cell in browser.all(COLUMN.format(number))]


def order(browser: Browser, number: int) -> str | None:
    return browser.one(f"#result-table thead th:nth-child({number})").get_attribute("aria-sort")


def test_contrast_is_that_of_the_standard() -> None:
    assert contrast("rgb(0, 0, 0)", "rgb(255, 255, 255)") == pytest.approx(21)
    assert contrast("rgb(119, 119, 119)", "rgb(255, 255, 255)") == pytest.approx(4.48, abs=0.01)


def test_it_opens_without_a_network_an_error_or_an_alert(browser: Browser, page: Path) -> None:
    browser.open(page)

    assert browser.messages() == []
    assert browser.run("return document.scripts.length") == 1
    images = "return [...document.images].every((i) => i.complete && i.naturalWidth > 0)"
    assert browser.run(images)
    loaded = "return performance.getEntriesByType('resource').map((e) => e.name)"
    assert [name for name in browser.run(loaded) if not name.startswith("data:")] == []


def test_its_policy_stops_what_is_slipped_in(browser: Browser, page: Path) -> None:
    browser.open(page)
    slip = """
    const done = arguments[0];
    document.addEventListener("securitypolicyviolation", (e) => {
      if (e.effectiveDirective.startsWith("script-src")) done(window.slipped ?? "stopped");
    });
    document.body.insertAdjacentHTML("beforeend", "<img src='data:,' onerror='slipped = 1'>");
    """

    assert browser.driver.execute_async_script(slip) == "stopped"


def test_rows_are_sorted_by_a_click(browser: Browser, page: Path) -> None:
    browser.open(page)
    before = column(browser, TOP1)

    browser.one(HEADER.format(TOP1)).click()
    assert order(browser, TOP1) == "descending"
    assert column(browser, TOP1) == sorted(before, key=float, reverse=True)

    browser.one(HEADER.format(TOP1)).click()
    assert order(browser, TOP1) == "ascending"
    assert column(browser, TOP1) == sorted(before, key=float)


def test_rows_are_sorted_by_keyboard(browser: Browser, page: Path) -> None:
    browser.open(page)
    before = column(browser, METHOD)
    browser.run("document.getElementById('result-table').focus()")

    browser.press(Keys.TAB)
    browser.press(Keys.ENTER)
    assert order(browser, METHOD) == "ascending"
    assert column(browser, METHOD) == sorted(before)

    browser.press(Keys.SPACE)
    assert order(browser, METHOD) == "descending"
    browser.press(Keys.TAB)
    browser.press(Keys.SPACE)
    assert (order(browser, METHOD), order(browser, 2)) == (None, "descending")


def test_what_is_not_known_stays_last(browser: Browser, page: Path) -> None:
    browser.open(page)

    for _ in range(2):
        browser.one(HEADER.format(TOP5)).click()
        assert column(browser, TOP5)[-1] == "–"


def test_filters_leave_rows_of_one_kind_and_give_them_back(browser: Browser, page: Path) -> None:
    browser.open(page)
    before = len(column(browser, METHOD))
    filters = [label.text.split("\n")[0].strip() for label in browser.all(".filters label")]
    assert filters == ["method", "support", "tuned on"]

    support = Select(browser.all(".filters select")[1])
    support.select_by_visible_text("lc")
    seen = [row.text for row in browser.all("#result-table tbody tr") if row.is_displayed()]
    assert len(seen) == 2 and all("lc" in row for row in seen)
    Select(browser.all(".filters select")[0]).select_by_visible_text("zero-shot")
    assert not any(row.is_displayed() for row in browser.all("#result-table tbody tr"))
    for select in browser.all(".filters select"):
        Select(select).select_by_visible_text("all")
    assert sum(row.is_displayed() for row in browser.all("#result-table tbody tr")) == before


def test_a_row_tells_of_itself(browser: Browser, page: Path) -> None:
    browser.open(page)

    browser.click(browser.all("#result-table tbody td.bar")[1])
    dialog = browser.one("dialog")
    assert dialog.is_displayed()
    assert "tip-adapter, ensemble, lc, TEST SPLIT" in dialog.text
    assert "80.00 % top-1" in dialog.text
    assert "Accuracy of classes" in dialog.text
    browser.press(Keys.ESCAPE)
    button = browser.one("#result-table tbody button")
    browser.run("arguments[0].focus()", button)
    browser.press(Keys.ENTER)
    assert "zero-shot, ensemble" in browser.one("dialog h2").text
    browser.press(Keys.ESCAPE)
    assert browser.focused == button


def test_the_table_is_saved_as_csv_and_json(browser: Browser, page: Path, tmp_path: Path) -> None:
    browser.open(page)
    told = {"behavior": "allow", "downloadPath": str(tmp_path)}
    browser.command("Browser.setDownloadBehavior", **told)

    for suffix in ("csv", "json"):
        browser.click(browser.one(f"a[download$='.{suffix}']"))
        WebDriverWait(browser.driver, 30).until(
            lambda _, s=suffix: (tmp_path / f"pets.{s}").exists()
        )

    rows = json.loads((tmp_path / "pets.json").read_text("utf-8"))
    assert [row["top1"] for row in rows] == [float(cell) for cell in column(browser, TOP1)]
    with (tmp_path / "pets.csv").open(encoding="utf-8", newline="") as file:
        assert [float(row["top1"]) for row in csv.DictReader(file)] == [row["top1"] for row in rows]


def test_accuracies_are_seen_on_a_telephone(browser: Browser, page: Path) -> None:
    browser.open(page, 390)

    for number in (TOP1, TOP1 + 1):
        for cell in browser.all(COLUMN.format(number)):
            assert browser.run("return arguments[0].getBoundingClientRect().right", cell) <= 390


def test_a_picture_tells_where_it_comes_from(browser: Browser, page: Path) -> None:
    browser.open(page)

    browser.click(browser.one(".gallery .pic button"))
    dialog = browser.one("dialog")
    assert dialog.is_displayed()
    assert "retrieval from web" in dialog.text
    assert "a photo of a zebra." in dialog.text
    assert dialog.find_element("css selector", "img").is_displayed()
    browser.one("dialog [data-close]").click()
    assert not dialog.is_displayed()


def test_a_picture_is_larger_in_its_dialog(browser: Browser, tmp_path: Path) -> None:
    page = drawn_report(tmp_path, ["zebra", "apple"], (640, 480))
    browser.open(page, PHONE)
    small = browser.all(".gallery .pic button img")
    count = browser.run("return document.images.length")

    browser.click(small[0])

    for button in (None, "[data-step='1']", "[data-step='1']"):
        if button:
            browser.one(f"dialog {button}").click()
        shown = browser.one("dialog img")
        WebDriverWait(browser.driver, 30).until(
            lambda _, s=shown: browser.run("return arguments[0].naturalWidth", s) == 320
        )
        room = browser.run("return document.querySelector('[data-place]').clientWidth")
        assert shown.rect["width"] == pytest.approx(min(320, room), abs=1)
        assert shown.rect["height"] == pytest.approx(0.75 * shown.rect["width"], abs=1)
    assert shown.get_attribute("alt") == small[2].get_attribute("alt")
    assert len(browser.all("dialog img")) == 1
    assert browser.run("return document.images.length") == count + 1
    assert browser.run("return document.documentElement.scrollWidth") <= PHONE


def test_a_picture_is_opened_and_closed_by_keyboard(browser: Browser, page: Path) -> None:
    browser.open(page)
    button = browser.all(".gallery .pic button")[4]
    browser.run("arguments[0].focus()", button)

    browser.press(Keys.ENTER)
    dialog = browser.one("dialog")
    assert "synthesis with model" in dialog.text
    assert browser.run("return document.querySelector('dialog').contains(document.activeElement)")
    browser.press(Keys.ESCAPE)
    assert not dialog.is_displayed()
    assert browser.focused == button


def test_the_first_tab_skips_to_the_content(browser: Browser, page: Path) -> None:
    browser.open(page)

    browser.press(Keys.TAB)
    assert browser.focused.text == "Skip to the content"
    assert browser.focused.location["x"] >= 0
    browser.press(Keys.ENTER)
    assert browser.focused.tag_name == "main"


def test_marks_of_support_images_are_seen_on_a_telephone(browser: Browser, page: Path) -> None:
    browser.open(page, PHONE)

    (count,) = browser.all(".gallery .against")
    assert count.text == "≠ 2 of 4 nearer to another class"
    marked = browser.all(".gallery .pic.outlier")
    for element in (count, *marked):
        browser.run("arguments[0].scrollIntoView({ block: 'center' })", element)
        assert element.is_displayed()
        assert element.rect["x"] >= 0 and element.rect["x"] + element.rect["width"] <= PHONE
    badge = "return getComputedStyle(arguments[0], '::after')[arguments[1]]"
    assert [browser.run(badge, one, "content") for one in marked] == ['"≠"'] * 2
    ink, paper = (browser.run(badge, marked[0], key) for key in ("color", "backgroundColor"))
    assert contrast(ink, paper) >= AA
    browser.click(marked[0].find_element("css selector", "button"))
    told = browser.one("dialog").text
    assert "query\na photo of zebra" in told and "nearest to images of\na/b" in told
    assert browser.run("return document.documentElement.scrollWidth") <= PHONE


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [WIDTHS[0], *map(long, WIDTHS[1:])])
def test_only_tables_scroll_sideways(browser: Browser, page: Path, width: int, dark: bool) -> None:
    browser.open(page, width, dark)
    browser.run("for (const d of document.querySelectorAll('details')) d.open = true")

    assert browser.run("return document.documentElement.scrollWidth") <= width
    beyond = """
    return [...document.querySelectorAll("main *")]
      .filter((e) => !e.closest(".scroll, pre, svg, .row .of, .row.head") && e.checkVisibility()
        && e.getBoundingClientRect().right > innerWidth + 1)
      .map((e) => e.outerHTML.slice(0, 200));
    """
    assert browser.run(beyond) == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_text_has_contrast(browser: Browser, page: Path, dark: bool) -> None:
    browser.open(page, 1280, dark)
    browser.run("for (const d of document.querySelectorAll('details')) d.open = true")
    browser.click(browser.one(".gallery .pic button"))

    found = list(browser.contrasts())

    assert len(found) > 20
    assert [(round(ratio, 2), where) for ratio, where in found if ratio < AA] == []
    papers = {where.split(" on ")[1] for _, where in found}
    assert ("rgb(21, 24, 26)" in papers) == dark


def test_it_is_printed_without_what_only_screens_need(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.command("Emulation.setEmulatedMedia", media="print")

    assert not browser.one("nav").is_displayed()
    assert browser.one("#result-table").value_of_css_property("overflow-x") == "visible"
    assert browser.pdf().startswith(b"%PDF")
    assert all(details.get_attribute("open") for details in browser.all("details.print"))


@pytest.mark.long
def test_a_thousand_classes_are_one_small_page(browser: Browser, large_page: Path) -> None:
    assert large_page.stat().st_size < 30_000_000

    browser.open(large_page, 360)

    assert browser.messages() == []
    groups = browser.all("details.group")
    assert [group.get_attribute("open") for group in groups] == ["true"] + [None] * 19
    browser.click(groups[-1].find_element("css selector", "summary"))
    assert groups[-1].find_element("css selector", "h3").text == "class number 950"
    assert browser.run("return document.documentElement.scrollWidth") <= 360
