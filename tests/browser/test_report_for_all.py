"""A report for those who see it with a screen reader, or walk through it by keyboard."""

from pathlib import Path

import pytest
from selenium.webdriver.common.keys import Keys

from tests.browser.chromium import Browser

AXE = Path(__file__).parents[2] / "node_modules/axe-core/axe.min.js"
"""Where `npm install --no-save axe-core` puts it."""
GRAVE = {"serious", "critical"}
STOPS = """
const places = "a[href], button, select, summary, [tabindex]";
return [...document.querySelectorAll(places)]
  .filter((e) => e.tabIndex >= 0 && e.checkVisibility()).length;
"""
UNNAMED = """
return [...document.querySelectorAll("[role=img], [role^=graphics], img, button, select")]
  .filter((e) => e.checkVisibility() && !e.alt && !e.ariaLabel && !e.labels?.length
    && !document.getElementById(e.getAttribute("aria-labelledby")) && !e.textContent.trim()
    && !e.querySelector("img[alt]"))
  .map((e) => e.outerHTML.slice(0, 200));
"""


def test_what_is_named_by_sight_is_named_in_words(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.run("for (const d of document.querySelectorAll('details')) d.open = true")

    assert browser.run(UNNAMED) == []
    assert browser.run("return document.querySelectorAll('svg [role]').length") == 0


def test_a_group_of_pictures_is_one_stop_and_arrows_move_in_it(
    browser: Browser, page: Path
) -> None:
    browser.open(page)
    pictures = browser.all(".gallery .pic button")

    stops = [button for button in pictures if button.get_attribute("tabindex") != "-1"]
    assert stops == pictures[:1]
    assert browser.run(STOPS) < 80 < len(pictures) + browser.run(STOPS)
    browser.run("arguments[0].focus()", pictures[0])
    browser.press(Keys.ARROW_RIGHT)
    browser.press(Keys.ARROW_DOWN)
    browser.press(Keys.ARROW_LEFT)
    assert browser.focused == pictures[1]
    assert [button.get_attribute("tabindex") for button in pictures[:2]] == ["-1", "0"]


def test_one_picture_leads_to_the_next(browser: Browser, page: Path) -> None:
    browser.open(page)
    alts = [image.get_attribute("alt") for image in browser.all(".gallery .pic img")]

    def shown() -> str | None:
        return browser.one("dialog img").get_attribute("alt")

    browser.click(browser.one(".gallery .pic button"))
    back, forth = browser.all("dialog [data-step]")
    assert (back.is_enabled(), forth.is_enabled()) == (False, True)
    for alt in alts[1:6]:
        forth.click()
        assert shown() == alt
    back.click()
    assert shown() == alts[4]


def test_axe_finds_nothing_grave(browser: Browser, page: Path) -> None:
    if not AXE.is_file():
        pytest.skip("no axe-core; npm install --no-save axe-core")
    for dark in (False, True):
        browser.open(page, dark=dark)
        browser.run("for (const d of document.querySelectorAll('details')) d.open = true")
        browser.command("Runtime.evaluate", expression=AXE.read_text("utf-8"))
        for width in (390, 768, 1280):
            browser.resize(width)
            ask = "axe.run().then((found) => arguments[0](found.violations))"
            found = browser.driver.execute_async_script(ask)
            grave = [(rule["id"], len(rule["nodes"])) for rule in found if rule["impact"] in GRAVE]
            assert grave == [], (width, dark)
