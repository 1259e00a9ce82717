"""Figures of evaluated features, of few classes and of many, on telephones, tablets and screens."""

from pathlib import Path

import pytest

from tests.browser.chromium import Browser
from tests.browser.geometry import FIGURES
from tests.long import long
from tests.made.features import evaluated_report

WIDTHS = [390, 768, 1280]


@pytest.mark.parametrize("n_classes", [10, 50, *map(long, (100, 1000))])
def test_nothing_in_figures_overlaps(browser: Browser, n_classes: int, tmp_path: Path) -> None:
    browser.open(evaluated_report(tmp_path, n_classes))

    assert browser.messages() == []
    for width in WIDTHS:
        browser.resize(width)
        found = browser.run(FIGURES)
        assert found["problems"] == [], width
        assert found["pairs"] > 1000
        assert browser.run("return document.documentElement.scrollWidth") <= width
