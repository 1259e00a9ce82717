"""The page of `susx serve`, as a person uses it: a file is chosen, and answers appear."""

import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn

from susx.cli.serve import listening
from susx.server.app import make_app
from tests.browser.chromium import Browser, start
from tests.helpers import image_bytes
from tests.made.photos import photos_classifier

DOT = "data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw=="
DEADLINE = 60
"""Seconds after which a page of a busy machine is given up."""


@pytest.fixture(scope="module")
def address(tiny_clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    classifier = photos_classifier(tiny_clip, tmp_path_factory.mktemp("served"))
    pictures = dict.fromkeys(classifier.meta.support_keys, DOT)
    server = uvicorn.Server(uvicorn.Config(make_app(classifier, pictures), log_level="error"))
    with listening(0) as link:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [link]}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{link.getsockname()[1]}/"
        server.should_exit = True
        thread.join()


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    if shutil.which("chromedriver") is None:
        pytest.skip("no chromedriver; apt-get install chromium chromium-driver")
    started = start(tmp_path / "profile", "127.0.0.1")
    yield started
    started.driver.quit()


def test_chosen_files_are_answered_and_bad_ones_named(
    browser: Browser, address: str, tmp_path: Path
) -> None:
    names = {"red.png": image_bytes((200, 30, 60)), "<b>.png": b"no image"}
    for name, data in names.items():
        (tmp_path / name).write_bytes(data)
    browser.resize(390)
    browser.driver.get(address)
    chosen = "\n".join(str(tmp_path / name) for name in names)
    browser.driver.find_element("id", "file").send_keys(chosen)
    end = time.monotonic() + DEADLINE
    while browser.run("return document.querySelectorAll('article').length") < len(names):
        assert time.monotonic() < end, browser.driver.get_log("browser")
        time.sleep(0.05)

    failed, read = browser.run(
        "return [...document.querySelectorAll('article')].map((a) => a.innerText)"
    )
    assert failed.startswith("<b>.png: ")
    assert "%" in read and "Support images that voted most" in read
    assert browser.run("return document.querySelectorAll('article b').length") == 0
    loaded = "return [...document.images].every((i) => i.complete && i.naturalWidth > 0 && i.alt)"
    assert browser.run(loaded)
    assert browser.run("return document.documentElement.scrollWidth") <= 390
    assert browser.run("return document.title").endswith(": susx")
    severe = [line for line in browser.driver.get_log("browser") if line["level"] == "SEVERE"]
    assert [line for line in severe if "422" not in line["message"]] == []
