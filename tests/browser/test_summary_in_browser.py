"""The page over all datasets as people see it, with few classifiers and with many."""

from pathlib import Path

import pytest

from susx.report.summary import write_summary
from tests.browser.chromium import Browser
from tests.browser.geometry import FIGURES
from tests.made.ranked import ranked_results

WIDTHS = [390, 768, 1280]
AA = 4.5


@pytest.mark.parametrize(("n", "n_datasets"), [(5, 3), (40, 8)])
def test_nothing_in_ranks_overlaps(
    browser: Browser, tmp_path: Path, n: int, n_datasets: int
) -> None:
    page = tmp_path / "report.html"
    write_summary(str(page), [(found, None) for found in ranked_results(n, n_datasets)])
    for dark in (False, True):
        browser.open(page, dark=dark)
        assert browser.messages() == []
        assert [where for ratio, where in browser.contrasts() if ratio < AA] == []
        for width in WIDTHS:
            browser.resize(width)
            found = browser.run(FIGURES)
            assert found["problems"] == [], (width, dark)
            # A name and a number of the axis at least, and every pair of these once.
            assert found["pairs"] >= (n + 2) * (n + 1) / 2
            assert browser.run("return document.documentElement.scrollWidth") <= width
    browser.resize(WIDTHS[0])
    means = browser.all("#summary-table tbody td:nth-child(2)")
    assert len(means) == n and all(" to " in mean.text for mean in means)
    assert all(mean.rect["x"] + mean.rect["width"] <= WIDTHS[0] for mean in means)
    (figure,) = browser.all("figure.chart svg")
    assert figure.get_attribute("role") == "img"
    assert figure.find_element("css selector", "title").get_attribute("textContent") == (
        "Mean ranks, clip"
    )
