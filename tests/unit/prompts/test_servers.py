"""Answers of configured servers are bounded in bytes and in time as a whole."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Response

from susx.core.errors import InputError
from susx.prompts.language_models import Request, Sampling, load_language_model
from susx.web.servers import Answer, Client, RefusedAnswer
from tests.language_models import free_port

LIMITS = (0.3, 1000)
"""Seconds, and bytes of an answer."""
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
Send = Callable[[bytes], None]


@contextmanager
def speaking(speak: Callable[[Send, threading.Event], None]) -> Iterator[str]:
    """Run a server that says something to all who connect; yields its address."""
    over = threading.Event()

    def serve() -> None:
        while not over.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(65536)
                with suppress(OSError):  # the client hangs up, as it should
                    speak(connection.sendall, over)
                    # What of a request is unread when a connection ends resets it.
                    connection.shutdown(socket.SHUT_WR)
                    while connection.recv(65536):
                        pass

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            over.set()
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def dripping(head: bytes, drop: bytes) -> Callable[[Send, threading.Event], None]:
    """A server that sends a little for ever, often enough for the timeout of every piece."""

    def speak(send: Send, over: threading.Event) -> None:
        send(head)
        while not over.wait(0.05):
            send(drop)

    return speak


DRIPS = {
    "status": dripping(b"", b"H"),
    "headers": dripping(HEAD, b"X: y\r\n"),
    "header": dripping(HEAD + b"X: ", b"y"),
    "body": dripping(HEAD + b"\r\n", b" "),
    "length": dripping(HEAD + b"Content-Length: 900\r\n\r\n", b" "),
    "chunks": dripping(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    "chunk": dripping(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"0"),
    "silence": lambda send, over: over.wait(5) and None,
}


@pytest.mark.parametrize("drip", DRIPS)
def test_a_server_that_drips_is_left_at_the_limit(drip: str) -> None:
    with speaking(DRIPS[drip]) as url, pytest.raises(TimeoutError, match=r"within 0\.3 s"):
        Client(*LIMITS).post(f"{url}/x", b"{}", {})


def endless(send: Send, over: threading.Event) -> None:
    send(HEAD + b"\r\n")
    while not over.is_set():
        send(bytes(65536))


def test_an_answer_without_end_is_left_at_the_limit() -> None:
    with speaking(endless) as url, pytest.raises(RefusedAnswer, match="larger than 1000 bytes"):
        Client(*LIMITS).post(f"{url}/x", b"{}", {})


def test_answers_of_any_status_come_as_they_are(httpserver: HTTPServer) -> None:
    for status in (200, 204, 301, 302, 307, 308, 404, 429, 500):
        headers = {"Location": httpserver.url_for("/elsewhere"), "Retry-After": "9"}
        response = Response("x" if status != 204 else "", status, headers)
        httpserver.expect_ordered_request("/x", method="POST").respond_with_response(response)
        answer = Client(*LIMITS).post(httpserver.url_for("/x"), b"{}", {"A-B": "c"})
        assert (answer.status, answer.pause(5)) == (status, 5)
    assert {request.path for request, _ in httpserver.log} == {"/x"}
    assert {request.headers["A-B"] for request, _ in httpserver.log} == {"c"}


@pytest.mark.parametrize(
    ("asked", "seconds"), [("3", 3.0), ("9" * 5000, 120.0), ("-1", 0.0), ("soon", 0.0), ("", 0.0)]
)
def test_a_server_may_ask_for_a_pause_but_not_for_ever(asked: str, seconds: float) -> None:
    assert Answer(429, {"retry-after": asked}, b"").pause(120.0) == seconds


def test_packed_answers_are_refused(httpserver: HTTPServer) -> None:
    packed = Response(b"x", headers={"Content-Encoding": "gzip"})
    httpserver.expect_request("/x").respond_with_response(packed)
    with pytest.raises(RefusedAnswer, match="packed by gzip, which was not asked for"):
        Client(*LIMITS).post(httpserver.url_for("/x"), b"{}", {})
    assert httpserver.log[0][0].headers["Accept-Encoding"] == "identity"


def test_what_is_no_answer_is_an_error() -> None:
    with pytest.raises(ConnectionError, match="refused"):
        Client(*LIMITS).post(f"http://127.0.0.1:{free_port()}/x", b"{}", {})
    with (
        speaking(lambda send, _: send(HEAD + b"Content-Length: 9\r\n\r\nx")) as url,
        pytest.raises(ConnectionError, match=r"IncompleteRead"),
    ):
        Client(*LIMITS).post(f"{url}/x", b"{}", {})


def test_proxies_of_the_environment_are_used(
    httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", httpserver.url_for("/").rstrip("/"))
    httpserver.expect_request("/x").respond_with_data("by the proxy")
    answer = Client(*LIMITS).post("http://models.example/x", b"{}", {})
    assert answer.body == b"by the proxy"
    assert httpserver.log[0][0].headers["Host"] == "models.example"


def test_a_tunnel_leads_to_servers_of_https(monkeypatch: pytest.MonkeyPatch) -> None:
    def proxy(send: Send, over: threading.Event) -> None:
        send(b"HTTP/1.1 200 Connection established\r\n\r\nno TLS")

    with speaking(proxy) as url:
        monkeypatch.setenv("https_proxy", url)
        with pytest.raises(ConnectionError, match="SSL"):
            Client(*LIMITS).post("https://models.example/x", b"{}", {})


@pytest.mark.parametrize("drip", ["header", "body"])
def test_a_language_model_that_drips_is_named(drip: str) -> None:
    with speaking(DRIPS[drip]) as url:
        settings = {"backend": "openai", "model": "m", "base_url": url, "retries": 0}
        model = load_language_model("gpt", {**settings, "timeout": 0.3})
        with pytest.raises(InputError, match=r"no answer from .* within 0\.3 s, in 1 try"):
            model.answer([Request("What?", 0)], Sampling(1.0, 1.0, 9))
