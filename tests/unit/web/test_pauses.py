"""`Retry-After` means the same to all that ask servers."""

import math
from email.message import Message

import pytest

from susx.web.etiquette import Etiquette
from susx.web.pauses import asked_pause
from susx.web.servers import Answer

DATE = 784111777.0
"""Seconds of 6 November 1994, 08:49:37 GMT, the date of the examples in RFC 9110."""
DATES = [
    "Sun, 06 Nov 1994 08:49:37 GMT",
    "Sunday, 06-Nov-94 08:49:37 GMT",
    "Sun Nov  6 08:49:37 1994",
]


@pytest.mark.parametrize(
    ("wanted", "seconds"),
    [
        ("7", 7.0), (" 7 ", 7.0), ("0.5", 0.5), ("0", 0.0), ("9" * 5000, math.inf),
        (None, None), ("", None), ("soon", None), ("-5", None), ("nan", None), ("1e999", None),
        ("\u0667", None), ("Sun, 06 Nov 99999 08:49:37 GMT", None),
    ],
)  # fmt: skip
def test_seconds_are_read(wanted: str | None, seconds: float | None) -> None:
    assert asked_pause(wanted) == seconds


@pytest.mark.parametrize("wanted", DATES)
def test_dates_are_read_by_hosts_of_images_and_by_servers(
    wanted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("susx.web.pauses.time.time", lambda: DATE - 90)
    monkeypatch.setattr("susx.web.etiquette.time.monotonic", lambda: 0.0)
    headers = Message()
    headers["Retry-After"] = wanted
    etiquette = Etiquette("susx", [], True, 10)
    etiquette.heed("http://host.example/a.png", 429, headers)
    assert etiquette.rest("http://host.example/b.png") == 90
    assert Answer(429, {"retry-after": wanted}, b"").pause(120) == 90
    assert Answer(429, {"retry-after": wanted}, b"").pause(60) == 60


@pytest.mark.parametrize("wanted", DATES)
def test_a_date_that_is_over_asks_for_nothing(wanted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("susx.web.pauses.time.time", lambda: DATE + 90)
    assert asked_pause(wanted) == 0
