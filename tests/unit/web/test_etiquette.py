"""What hosts ask for, without a network."""

import time
from email.message import Message
from email.utils import formatdate

import pytest

from susx.web.etiquette import LONGEST_BACKOFF, Etiquette
from susx.web.refusal import RefusedResponse

URL = "http://Host.example:80/a.png"


def headers(**values: str) -> Message:
    made = Message()
    for name, value in values.items():
        made[name.replace("_", "-")] = value
    return made


def rests(*answers: tuple[int, str | None]) -> float:
    """Seconds of rest after some answers."""
    etiquette = Etiquette("susx", [], True, 10)
    for status, wanted in answers:
        etiquette.heed(URL, status, headers(**({"Retry_After": wanted} if wanted else {})))
    return etiquette.rest("http://host.example:80/b.png")


@pytest.mark.parametrize(
    ("status", "wanted", "seconds"),
    [
        (429, "7", 7), (429, None, 1), (429, "soon", 1), (429, "0", 1), (429, "-5", 1),
        (429, "nan", 1), (429, "1e999", 1), (503, "9", 9), (503, None, 0), (404, "9", 0),
        (200, "9", 0),
    ],
)  # fmt: skip
def test_a_host_rests_as_long_as_it_asks(status: int, wanted: str | None, seconds: float) -> None:
    rest = rests((status, wanted))
    assert (rest <= 0) if not seconds else (seconds - 1 < rest <= seconds)


def test_a_date_is_a_time_to_wait_for() -> None:
    wanted = formatdate(time.time() + 90, usegmt=True)
    assert 60 < rests((429, wanted)) <= 90


def test_the_longest_rest_counts_and_answers_of_one_turn_double_nothing() -> None:
    assert 29 < rests((429, "30"), (429, "3")) <= 30
    assert rests(*[(429, None)] * 50) <= 1


def test_rests_without_a_time_double_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("susx.web.etiquette.time.monotonic", lambda: now)
    etiquette = Etiquette("susx", [], True, 10)
    found = []
    for _ in range(9):
        etiquette.heed(URL, 429, headers())
        found.append(etiquette.rest(URL))
        now += found[-1]
    assert found == [1, 2, 4, 8, 16, 32, 64, LONGEST_BACKOFF, LONGEST_BACKOFF]


def test_patience_is_one_for_the_whole_run(monkeypatch: pytest.MonkeyPatch) -> None:
    now, slept = 0.0, []
    monkeypatch.setattr("susx.web.etiquette.time.monotonic", lambda: now)
    monkeypatch.setattr("susx.web.etiquette.time.sleep", slept.append)
    etiquette = Etiquette("susx", [], True, 10)
    etiquette.heed(URL, 429, headers(Retry_After="6"))
    assert etiquette.wait([URL])
    assert not etiquette.wait([URL])
    assert etiquette.wait([URL, "http://other.example/"])
    assert slept == [6, 0]


@pytest.mark.parametrize(
    ("value", "forbidden"),
    [
        ("none", True), ("NoIndex, follow", True), ("noindex, max-snippet: 5", True),
        ("unavailable_after: Sat, 25 Jun 2039 15:00:00 PST, noindex", True),
        ("susx: noindex", True), ("susx/0.1: noindex", True),
        ("other: none, noindex", False), ("other: x, susx: none", True),
        ("all", False), ("nofollow", False), ("", False),
    ],
)  # fmt: skip
def test_directives_count_for_those_they_are_meant_for(value: str, forbidden: bool) -> None:
    etiquette = Etiquette("susx/1 (x)", ["noindex"], True, 10)
    assert etiquette.disallows(headers(X_Robots_Tag=value)) is forbidden


def test_none_is_no_matter_where_noindex_is_none() -> None:
    assert not Etiquette("susx", ["noai"], True, 1).disallows(headers(X_Robots_Tag="none"))


def test_a_robots_txt_that_cannot_be_had_is_asked_for_once_until_the_next_attempt() -> None:
    asked = []

    def fetch(address: str) -> str:
        asked.append(address)
        raise TimeoutError("timed out")

    etiquette = Etiquette("susx", [], True, 10)
    for _ in range(2):
        with pytest.raises(OSError, match=r"^robots\.txt: timed out$"):
            etiquette.check(URL, fetch)
    assert asked == ["http://Host.example:80/robots.txt"]
    etiquette.renew()
    etiquette.check(URL, lambda address: "")
    etiquette.check(URL, fetch)


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("User-agent: susx\nDisallow: /", False),
        ("User-agent: susx/0.1\r\nDisallow: /", False),
        ("user-agent : Susx (+http://me.example)\nDisallow: /", False),
        ("User-agent: other/1\nUser-agent: susx/2.0\nDisallow: /", False),
        ("User-agent: other/1\nDisallow: /", True),
        ("User-agent:\nDisallow: /a.png\n\nUser-agent: *\nDisallow: /b", True),
        ("User-agent: *\nAllow: /a.png\nDisallow: /", True),
        ("User-agent: *\nDisallow: /a", False),
    ],
)
def test_robots_txt_may_name_a_crawler_with_its_version(text: str, allowed: bool) -> None:
    etiquette = Etiquette("susx/0.1 (me@x)", [], True, 10)
    if allowed:
        etiquette.check(URL, lambda address: text)
    else:
        with pytest.raises(RefusedResponse, match=r"robots\.txt"):
            etiquette.check(URL, lambda address: text)
