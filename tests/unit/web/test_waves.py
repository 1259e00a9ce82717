"""Downloads from a server on loopback that misbehaves in every way that the web does."""

import socket
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from susx.core.errors import InputError
from susx.pools.shards import Shard, read_shard
from susx.support.waves import DownloadRules, Outcome, etiquette_of, fetch_wave, quoted, read_wave
from susx.web.guard import Limits, opener
from susx.web.refusal import RefusedResponse
from tests.full_disk import at_most
from tests.web import Web, photo, serving

RULES = DownloadRules(
    threads=16,
    timeout=1,
    retries=0,
    user_agent="susx-test/1.0 (someone@example.org)",
    robots=["noai", "noindex"],
    robots_txt=True,
    patience=5,
    allow_private=True,
    max_mib=1,
    min_size=32,
    max_aspect_ratio=4.0,
)


@pytest.fixture(scope="module")
def web() -> Iterator[Web]:
    with serving() as web:
        yield web


def fetched(urls: list[str], rules: DownloadRules, folder: Path) -> list[Outcome]:
    return fetch_wave(urls, rules, folder, etiquette_of(rules))


def reasons(outcomes: list[Outcome]) -> dict[str, str]:
    return {outcome.url: outcome.reason for outcome in outcomes}


def test_images_come_back_as_they_were_sent(web: Web, tmp_path: Path) -> None:
    outcomes = fetched(web.images(1, 2, 3), RULES, tmp_path / "00000")
    assert reasons(outcomes) == dict.fromkeys(web.images(1, 2, 3), "")
    stored = {s.key: s.image for s in read_shard(Shard("webdataset", outcomes[0].tar))}
    assert [stored[o.key] for o in outcomes] == [photo(1), photo(2), photo(3)]
    assert {(o.width, o.height) for o in outcomes} == {(80, 72)}
    assert web.agents == {RULES.user_agent}
    assert read_wave(tmp_path / "00000") == outcomes
    assert [path.name for path in tmp_path.iterdir()] == ["00000"]


def test_every_failure_has_its_reason(web: Web, tmp_path: Path) -> None:
    port = web.url.rsplit(":", 1)[1]
    expected = {
        "status/404": "HTTP Error 404: Not Found",
        "status/500": "HTTP Error 500: Internal Server Error",
        "html": "not readable: not an image of a known format",
        "cut": "not readable: ",
        "half": "IncompleteRead",
        "drip": "timed out",
        "late": "timed out",
        "huge": "larger than 1048576 bytes",
        "endless": "larger than 1048576 bytes",
        "bomb": "not readable: more than ",
        "small": "too small (20 x 200)",
        "thin": "too long and thin (64 x 640)",
        "loop": "HTTP Error 302: The HTTP server returned a redirect error",
        "noai/noai": "Use of image disallowed by X-Robots-Tag directive",
        "noai/noarchive, NoIndex": "Use of image disallowed by X-Robots-Tag directive",
        "noai/none": "Use of image disallowed by X-Robots-Tag directive",
        "noai/noindex, max-image-preview~large": "Use of image disallowed by X-Robots-Tag",
        "noai/max-snippet~ 9, noai": "Use of image disallowed by X-Robots-Tag directive",
        "swelling": "larger than 1048576 bytes",
        "noai/susx-test~ noai": "Use of image disallowed by X-Robots-Tag directive",
        "to/file:~~~etc~passwd": "HTTP Error 302: Found - Redirection to url 'file:///etc/passwd'",
        "to/ftp:~~127.0.0.1~x": "unknown url type: ftp",
    }
    fine = [
        "noai/otherbot~ noai",
        "noai/otherbot~ noarchive, none",
        "noai/noarchive",
        f"to/http:~~127.0.0.1:{port}~photo~5.png",
    ]
    schemes = ["file:///etc/passwd", "ftp://127.0.0.1/x", "data:image/png;base64,AA", "nothing", ""]
    urls = [f"{web.url}/{path}" for path in [*expected, *fine]]
    started = time.monotonic()
    found = reasons(fetched([*urls, *schemes], RULES, tmp_path / "00000"))
    assert time.monotonic() - started < 6
    for url, reason in zip(urls, expected.values(), strict=False):
        assert found[url].replace("The read operation ", "").startswith(reason), found[url]
    assert [found[url] for url in urls[len(expected) :]] == [""] * len(fine)
    assert [found[scheme].split(":")[0] for scheme in schemes] == ["unknown url type"] * 5


def test_passing_failures_are_tried_again_and_others_are_not(web: Web, tmp_path: Path) -> None:
    web.asked.clear()
    paths = ["flaky/1.png", "status/404", "status/500", "photo/7.png"]
    rules = replace(RULES, retries=2)
    outcomes = fetched([f"{web.url}/{path}" for path in paths], rules, tmp_path / "00000")
    assert [web.asked[f"/{path}"] for path in paths] == [2, 1, 3, 1]
    assert [bool(outcome.reason) for outcome in outcomes] == [False, True, True, False]
    assert read_wave(tmp_path / "00000", complete=True) == outcomes


def test_private_addresses_are_refused(web: Web, tmp_path: Path) -> None:
    web.asked.clear()
    port = web.url.rsplit(":", 1)[1]
    urls = [
        *(f"http://{host}:{port}/photo/1.png" for host in ("127.0.0.1", "localhost", "[::1]")),
        *(f"http://{host}/x" for host in ("10.0.0.1", "169.254.169.254", "192.168.1.1", "0.0.0.0")),  # noqa: S104
        *(f"http://{host}/x" for host in ("2130706433", "0x7f.1", "[::ffff:127.0.0.1]")),
        "http://[64:ff9b::7f00:1]/x",
        "https://127.0.0.1/x",
    ]
    found = reasons(fetched(urls, replace(RULES, allow_private=False), tmp_path / "00000"))
    assert {reason.split(" ", 1)[1] for reason in found.values()} == {"is not a public address"}
    assert not web.asked


def test_a_redirection_or_name_into_a_private_network_is_refused(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server plays a public host: only its address passes for public."""
    port = int(web.url.rsplit(":", 1)[1])
    resolve = socket.getaddrinfo

    def resolved(host: str, *rest: object, **named: object) -> object:
        names = {"public.example": "127.0.0.1", "rebound.example": "127.0.0.2"}
        return resolve(names.get(host, host), *rest, **named)

    real = guard_check()
    monkeypatch.setattr(socket, "getaddrinfo", resolved)
    monkeypatch.setattr(
        "susx.web.guard._check",
        lambda address, limits: None if address == "127.0.0.1" else real(address, limits),
    )
    director = opener(Limits(2, 2**20, False, "susx-test"))
    base = f"http://public.example:{port}"
    assert director.open(f"{base}/photo/1.png").read() == photo(1)
    for target in ("127.0.0.3", "rebound.example", "10.1.2.3"):
        for url in (f"{base}/to/http:~~{target}:{port}~photo~1.png", f"http://{target}:{port}/x"):
            with pytest.raises(OSError, match="is not a public address"):
                director.open(url)


def guard_check() -> object:
    from susx.web import guard

    return guard._check


def test_the_address_of_the_connection_is_checked_too(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = guard_check()
    seen: list[str] = []

    def check(address: str, limits: Limits) -> None:
        seen.append(address)
        if len(seen) > 1:
            real(address, limits)

    monkeypatch.setattr("susx.web.guard._check", check)
    with pytest.raises(OSError, match="is not a public address"):
        opener(Limits(2, 2**20, False, "x")).open(web.images(1)[0])
    assert seen == ["127.0.0.1"] * 2


def test_other_requests_of_the_process_are_as_before(web: Web, tmp_path: Path) -> None:
    fetched(web.images(1), RULES, tmp_path / "00000")
    file = (tmp_path / "00000/0/0_stats.json").as_uri()
    assert urllib.request.urlopen(file).read()  # noqa: S310


def test_a_full_disk_leaves_nothing(web: Web, tmp_path: Path) -> None:
    refused = pytest.raises(InputError, match=r"00000.*File too large.*\Z")
    with at_most(40_000), refused as told:
        fetched(web.images(*range(30)), RULES, tmp_path / "00000")
    assert "\n" not in str(told.value)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_wave_is_named(web: Web, tmp_path: Path) -> None:
    fetched(web.images(1), RULES, tmp_path / "00000")
    (tmp_path / "00000/0/0.parquet").write_bytes(b"x")
    with pytest.raises(InputError, match=r"00000/0: downloads are damaged; delete the folder"):
        read_wave(tmp_path / "00000")


def test_refused_is_an_error_that_urllib_passes_on() -> None:
    assert issubclass(RefusedResponse, OSError)


def test_hosts_that_ask_to_wait_are_waited_for(
    web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("susx.web.etiquette.SHORTEST_REST", 0.05)
    urls = web.images(*range(20, 28))
    for wanted in ("0.1", "Wed, 21 Oct 2015 07:28:00 GMT"):
        web.waits, web.retry_after = 8, wanted
        rules = replace(RULES, threads=4, retries=2)
        found = fetched(urls, rules, tmp_path / str(len(wanted)))
        assert reasons(found) == dict.fromkeys(urls, "")


def test_patience_with_hosts_ends_and_the_rest_is_not_asked(web: Web, tmp_path: Path) -> None:
    web.asked.clear()
    web.waits, web.retry_after = 1, "3600"
    found = fetched(web.images(1, 2, 3), replace(RULES, threads=1), tmp_path / "00000")
    host = web.url.removeprefix("http://")
    assert [outcome.reason for outcome in found] == [
        "HTTP Error 429: Too Many Requests", *[f"{host} asks to wait"] * 2
    ]  # fmt: skip
    assert sum(web.asked.values()) == 1


def test_addresses_that_robots_txt_disallows_are_not_asked(web: Web, tmp_path: Path) -> None:
    web.asked.clear()
    web.robots_asked = 0
    everyone = "\ufeffUser-agent: *\nDisallow: /\n"
    ours = "User-agent: susx-test/1.0\nDisallow: /*.png$\nAllow: /photo/2.png\n"
    urls = [*web.images(1, 2), f"{web.url}/avif"]
    web.robots = everyone + ours
    try:
        found = fetched(urls, RULES, tmp_path / "00000")
        unheard = fetched(urls, replace(RULES, robots_txt=False), tmp_path / "00001")
    finally:
        web.robots = None
    assert [outcome.reason for outcome in found] == ["disallowed by robots.txt", "", ""]
    assert [outcome.reason for outcome in unheard] == ["", "", ""]
    assert web.robots_asked == 1
    assert web.asked == {"/photo/1.png": 1, "/photo/2.png": 2, "/avif": 2}


def test_packed_bodies_are_unpacked(web: Web, tmp_path: Path) -> None:
    urls = [f"{web.url}/{path}" for path in ("packed/gzip", "packed/deflate", "unpacked")]
    found = fetched(urls, RULES, tmp_path / "00000")
    stored = {s.key: s.image for s in read_shard(Shard("webdataset", found[0].tar))}
    assert [stored[outcome.key] for outcome in found] == [photo(2)] * 3


def test_avif_is_read(web: Web, tmp_path: Path) -> None:
    (found,) = fetched([f"{web.url}/avif"], RULES, tmp_path / "00000")
    assert (found.reason, found.width, found.height) == ("", 80, 72)


@pytest.mark.parametrize(
    ("url", "sent"),
    [
        ("http://B\u00dcCHER.example:80/\u00fc b.png?x=\u00e9",
         "http://xn--bcher-kva.example:80/%C3%BC%20b.png?x=%C3%A9"),
        ("https://\u4f8b\u3048.\u30c6\u30b9\u30c8/a", "https://xn--r8jz45g.xn--zckzah/a"),
        ("http://u:p@stra\u00dfe.example/", "http://u:p@xn--strae-oqa.example/"),
        ("http://h/a%20b", "http://h/a%20b"),
        ("nothing", "nothing"),
    ],
)  # fmt: skip
def test_host_names_are_sent_in_latin_letters(url: str, sent: str) -> None:
    assert quoted(url) == sent
