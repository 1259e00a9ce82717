"""A report as people see and use it."""

from pathlib import Path

import pytest
from selenium.webdriver.common.keys import Keys

from tests.browser.chromium import Browser, contrast
from tests.long import long

WIDTHS = [360, 800, 1280]  # pixels of telephones, tablets and screens
AA = 4.5
HEADER = "#result-table thead th:nth-child({}) button"
COLUMN = "#result-table tbody tr > :nth-child({})"
METHOD, TOP1, TOP5 = 1, 5, 7


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
    assert (order(browser, METHOD), order(browser, 2)) == (None, "ascending")


def test_what_is_not_known_stays_last(browser: Browser, page: Path) -> None:
    browser.open(page)

    for _ in range(2):
        browser.one(HEADER.format(TOP5)).click()
        assert column(browser, TOP5)[-1] == "–"


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
