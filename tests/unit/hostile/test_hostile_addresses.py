"""Attacks by addresses and answers: private networks, redirections, other schemes, bad numbers."""

from collections.abc import Iterator
from http.client import InvalidURL
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Response

from susx.config.pools import ServicePool
from susx.config.texts import OpenAIServer
from susx.core.errors import InputError
from susx.manifests.classes import class_manifest
from susx.prompts.language_models import Request, Sampling
from susx.prompts.language_models.openai_server import load
from susx.prompts.strategies import build_prompts
from susx.support import service as services
from susx.support.service import query_service
from susx.web.guard import Limits, _check, opener
from susx.web.refusal import RefusedResponse
from tests.web import Web, serving

CLASSES = class_manifest(["cat"])
PROMPTS = build_prompts("photo", {"photo": "template"}, CLASSES, {"template": "a {}."})
PUBLIC = Limits(2, 2**20, False, "susx-test")


@pytest.fixture(scope="module")
def web() -> Iterator[Web]:
    with serving() as made:
        yield made


PRIVATE = [
    *("127.0.0.1", "127.255.255.254", "10.0.0.1", "172.16.0.1", "192.168.0.1", "0.0.0.0"),  # noqa: S104
    *("169.254.169.254", "100.64.0.1", "192.0.0.8", "198.18.0.1", "240.0.0.1", "255.255.255.255"),
    *("224.0.0.1", "::1", "::", "fe80::1%eth0", "fec0::1", "fc00::1", "ff02::1", "2001:db8::1"),
    *("::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "::ffff:0:127.0.0.1"),
    *("64:ff9b::10.0.0.1", "64:ff9b:1::127.0.0.1", "2002:7f00:1::", "2002:a9fe:a9fe::1"),
    *("2001::1", "5f00::1", "100::1", "fd00:ec2::254"),
]


@pytest.mark.parametrize("address", PRIVATE)
def test_what_is_not_public_is_refused_in_every_form(address: str) -> None:
    with pytest.raises(RefusedResponse, match="is not a public address"):
        _check(address, PUBLIC)
    _check(address, Limits(2, 2**20, True, "susx-test"))


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "64:ff9b::8.8.8.8", "2a00:1450::1"]
)
def test_what_is_public_is_not_refused(address: str) -> None:
    _check(address, PUBLIC)


@pytest.mark.parametrize(
    "host", ["0177.0.0.1", "127.1", "0x7f000001", "017700000001", "①②⑦.⓪.⓪.①", "127。0。0。1"]
)
def test_other_spellings_of_loopback_are_refused(web: Web, host: str) -> None:
    web.asked.clear()
    with pytest.raises((OSError, UnicodeError)):
        opener(PUBLIC).open(f"http://{host}:{web.url.rsplit(':', 1)[1]}/photo/1.png")
    assert not web.asked


@pytest.mark.parametrize("target", ["file:~~~etc~passwd", "ftp:~~h~x", "data:,x", "gopher:~~h~x"])
def test_a_redirection_to_another_scheme_is_refused(web: Web, target: str) -> None:
    director = opener(Limits(2, 2**20, True, "susx-test"))
    with pytest.raises(OSError, match=r"(?i)redirect|unknown url type|error"):
        director.open(f"{web.url}/to/{target}")


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://127.0.0.1/x", "data:,x"])
def test_other_schemes_are_not_spoken(url: str) -> None:
    with pytest.raises(OSError, match="unknown url type"):
        opener(PUBLIC).open(url)


@pytest.mark.parametrize("url", ["http://h/a\r\nX: y", "http://h\r\nX: y/", "http://me:you@h/"])
def test_nothing_is_smuggled_into_a_request(url: str) -> None:
    with pytest.raises((OSError, InvalidURL)):
        opener(PUBLIC).open(url)


# A service of candidates


def asked(server: HTTPServer, folder: Path) -> list:
    pool = ServicePool(layout="service", url=server.url_for("/"), index="x", retries=0)
    return query_service(pool, PROMPTS, CLASSES, 5, folder).records


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_service_cannot_send_elsewhere(
    httpserver: HTTPServer, tmp_path: Path, status: int
) -> None:
    elsewhere = httpserver.url_for("/latest/meta-data?token=hunter2")
    httpserver.expect_request("/knn-service").respond_with_data(
        "", status, headers={"Location": elsewhere}
    )
    with pytest.raises(InputError, match=r"redirects to .*latest/meta-data\?token=\*\*\*; if it"):
        asked(httpserver, tmp_path)
    assert [request.path for request, _ in httpserver.log] == ["/knn-service"]


@pytest.mark.parametrize(
    "body",
    [
        '[{"url": "http://h/0", "similarity": NaN}]',
        '[{"url": "http://h/0", "similarity": 1e999}]',
        '[{"url": "http://h/0", "caption": "\\ud800"}]',
        "[" * 100_000,
        "[" + "9" * 5_000 + "]",
        "\udcff",
    ],
)
def test_answers_that_are_no_json_are_refused(
    httpserver: HTTPServer, tmp_path: Path, body: str
) -> None:
    data = body.encode("utf-8", "surrogateescape")
    httpserver.expect_request("/knn-service").respond_with_data(data)
    with pytest.raises(InputError, match=r"/knn-service: answers "):
        asked(httpserver, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("score", ['"high"', "null", "[1]", "1" + "0" * 400, "true"])
def test_a_similarity_that_is_no_number_is_none(
    httpserver: HTTPServer, tmp_path: Path, score: str
) -> None:
    body = f'[{{"url": "http://h/0", "similarity": {score}}}]'
    httpserver.expect_request("/knn-service").respond_with_data(body)
    (candidate,) = asked(httpserver, tmp_path)
    assert candidate.score == (1.0 if score == "true" else 0.0)


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_an_answer_without_end_is_cut(
    httpserver: HTTPServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    monkeypatch.setattr(services, "LARGEST_ANSWER", 200_000)
    response = Response(b" " * 300_000, headers={"Content-Encoding": encoding})
    httpserver.expect_request("/knn-service").respond_with_response(response)
    says = "packed by gzip" if encoding == "gzip" else "larger than 200000 bytes"
    with pytest.raises(InputError, match=f"/knn-service: sends an answer that is {says}"):
        asked(httpserver, tmp_path)


# A language model


def test_a_key_follows_no_redirection(
    httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PETS_KEY", "hunter2-hunter2")
    other = f"http://127.0.0.1:{httpserver.port}/stolen"
    httpserver.expect_request("/v1/chat/completions").respond_with_data(
        "", 307, headers={"Location": other}
    )
    httpserver.expect_request("/stolen").respond_with_json({})
    settings = OpenAIServer(
        backend="openai",
        model="gpt",
        base_url=f"http://localhost:{httpserver.port}/v1",
        api_key_variable="PETS_KEY",
        retries=0,
    )
    with pytest.raises(InputError, match=r"redirects to .*/stolen; if that is right, set it as"):
        load("k", settings).answer([Request("What?", 0)], Sampling(1.0, 1.0, 9))
    (sent,) = [request for request, _ in httpserver.log]
    assert (sent.path, sent.headers["Authorization"]) == (
        "/v1/chat/completions",
        "Bearer hunter2-hunter2",
    )
