"""A browser without a network, and pages to open in it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.chromium import Browser, start
from tests.made.report import drawn_report, names_of

NAMES = ["zebra", "a/b", "café", "apple", "<script>alert(1)</script>", "x" * 120]


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Chromium that reaches no host; tests that need it are skipped where it is missing."""
    if shutil.which("chromedriver") is None:
        pytest.skip("no chromedriver; apt-get install chromium chromium-driver")
    started = start(tmp_path_factory.mktemp("chromium"))
    yield started
    started.driver.quit()


@pytest.fixture(scope="session")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report with figures, whose names are long, odd and hostile."""
    return drawn_report(tmp_path_factory.mktemp("page"), NAMES)


@pytest.fixture(scope="session")
def large_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of 1,000 classes."""
    return drawn_report(tmp_path_factory.mktemp("large"), names_of(1000), (64, 48))
