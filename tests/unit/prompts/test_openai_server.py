"""Language models behind servers: a real one, and one that misbehaves in every way."""

import json
import logging
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request as Received
from werkzeug import Response

from susx.config.texts import Descriptions
from susx.core.errors import InputError
from susx.core.files import write_checked
from susx.manifests.classes import class_manifest
from susx.prompts.descriptions import describe_classes, join_replies
from susx.prompts.kept_replies import KeptReplies
from susx.prompts.language_models import Reply, Request, Sampling, completions, load_language_model
from tests.language_models import WORDS, free_port, save_tiny_model, served

SAMPLING = Sampling(temperature=0.7, top_p=0.9, max_tokens=12)
REQUESTS = [Request(f"What is {name}?", seed) for seed, name in enumerate(["a zebra", "an owl"])]
SECRET = "sk-hunter2"  # noqa: S105
PATH = "/v1/chat/completions"


def completion(text: str | None = "It is striped.", finish: str = "stop") -> dict[str, Any]:
    """What a server answers."""
    message = {"role": "assistant", "content": text}
    return {
        "id": "1",
        "object": "chat.completion",
        "created": 1,
        "model": "served-model-7",
        "choices": [{"index": 0, "finish_reason": finish, "message": message}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13},
    }


ODD = [
    json.dumps(completion()).replace('"prompt_tokens": 9', '"prompt_tokens": 1e400'),
    json.dumps(completion()).replace('"prompt_tokens": 9', '"prompt_tokens": -1'),
    json.dumps(completion()).replace("striped.", "\\ud800"),
    json.dumps(completion()).replace('"created": 1', f'"created": {"[" * 5000}{"]" * 5000}'),
]
"""Completions but for a number, half a character, or depth."""


@pytest.fixture
def bodies(httpserver: HTTPServer) -> list[dict[str, Any]]:
    """Bodies of the requests to a server that answers each with its question."""
    received: list[dict[str, Any]] = []

    def answer(request: Received) -> Response:
        body = json.loads(request.get_data())
        received.append(body)
        text = f"Said: {body['messages'][0]['content']}"
        return Response(json.dumps(completion(text)), content_type="application/json")

    httpserver.expect_request(PATH, method="POST").respond_with_handler(answer)
    return received


def load(url: str, **settings: Any) -> Any:
    fixed = {"backend": "openai", "model": "tiny", "base_url": url, "retries": 1, "timeout": 60}
    return load_language_model("gpt", {**fixed, **settings})


def loaded(server: HTTPServer, **settings: Any) -> Any:
    return load(server.url_for("/v1"), **settings)


def problem(model: Any) -> str:
    with pytest.raises(InputError) as caught:
        model.answer(REQUESTS[:1], SAMPLING)
    message = str(caught.value)
    assert message.startswith("config.yaml: language_models.gpt: ")
    assert "\n" not in message
    return message


def test_replies_come_in_order_with_their_tokens(
    httpserver: HTTPServer, bodies: list[dict[str, Any]]
) -> None:
    requests = [Request(f"question {n}", n) for n in range(20)]
    model = loaded(httpserver, concurrency=5)

    replies = model.answer(requests, SAMPLING)

    assert replies == [
        Reply(f"Said: question {n}", True, 9, 4, writer="served-model-7") for n in range(20)
    ]
    assert sorted(body["seed"] for body in bodies) == list(range(20))
    assert model.provenance["answered_by"] == ["served-model-7"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", model.provenance["date"])


def test_a_request_says_what_is_configured(
    httpserver: HTTPServer, bodies: list[dict[str, Any]]
) -> None:
    options = {"max_tokens": None, "max_completion_tokens": 5, "reasoning_effort": "low"}
    loaded(httpserver, options=options).answer(REQUESTS[:1], SAMPLING)
    assert bodies == [
        {
            "model": "tiny",
            "messages": [{"role": "user", "content": "What is a zebra?"}],
            "temperature": 0.7,
            "top_p": 0.9,
            "seed": 0,
            "max_completion_tokens": 5,
            "reasoning_effort": "low",
        }
    ]


def test_thoughts_get_tokens_of_their_own(
    httpserver: HTTPServer, bodies: list[dict[str, Any]]
) -> None:
    loaded(httpserver, thinking_tokens=30).answer(REQUESTS[:1], SAMPLING)
    assert bodies[0]["max_tokens"] == SAMPLING.max_tokens + 30


def test_no_more_requests_are_under_way_than_allowed() -> None:
    under_way, most = 0, 0

    def answer(_: Received) -> Response:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        time.sleep(0.02)
        under_way -= 1
        return Response(json.dumps(completion()), content_type="application/json")

    with HTTPServer(threaded=True) as server:
        server.expect_request(PATH).respond_with_handler(answer)
        loaded(server, concurrency=3).answer(REQUESTS * 6, SAMPLING)
    assert 1 < most <= 3


def test_replies_that_were_cut_or_withheld_are_told(httpserver: HTTPServer) -> None:
    for text, finish in (("It is", "length"), (None, "content_filter")):
        httpserver.expect_ordered_request(PATH).respond_with_json(completion(text, finish))
    withheld = {"error": {"code": "content_filter", "message": "no"}}
    httpserver.expect_ordered_request(PATH).respond_with_json(withheld, status=400)
    model = loaded(httpserver, concurrency=1)
    replies = model.answer([*REQUESTS, *REQUESTS[:1]], SAMPLING)
    assert [(reply.text, reply.finished, reply.withheld) for reply in replies] == [
        ("It is", False, False),
        ("", True, True),
        ("", True, True),
    ]


@pytest.mark.parametrize(
    ("finish", "finished"),
    [
        *(("stop", True), ("STOP", True), ("eos", True), ("end_turn", True), (None, True)),
        *(("length", False), ("max_tokens", False), ("MAX_TOKENS", False), ("abort", False)),
        *(("content_filter", False), ("SAFETY", False)),
    ],
)
def test_only_what_the_model_ended_is_finished(
    httpserver: HTTPServer, finish: str | None, finished: bool
) -> None:
    answer = completion("A zebra has black and")
    answer["choices"][0]["finish_reason"] = finish
    httpserver.expect_request(PATH).respond_with_json(answer)
    reply = loaded(httpserver).answer(REQUESTS[:1], SAMPLING)[0]
    assert (reply.finished, reply.withheld) == (finished, False)


def test_a_refusal_beside_the_text_is_withheld_and_counted(
    httpserver: HTTPServer, tmp_path: Path
) -> None:
    answer = completion(None)
    answer["choices"][0]["message"]["refusal"] = "I will not describe zebras here."
    httpserver.expect_ordered_request(PATH).respond_with_json(completion())
    httpserver.expect_ordered_request(PATH).respond_with_json(answer)
    settings = Descriptions(model="m", questions=["What is {a} {}?"], samples=2)
    data = describe_classes({"zebra": "zebra"}, settings, loaded(httpserver, concurrency=1))
    write_checked(tmp_path / "replies.json", data)
    joined = join_replies(
        "descriptions", class_manifest(["zebra"]), [str(tmp_path / "replies.json")]
    )
    assert joined["texts"] == {"zebra": ["zebra: It is striped."]}
    assert joined["provenance"]["n_dropped"] == {"withheld": 1}


@pytest.mark.parametrize("status", [200, 201, 204])
def test_an_answer_without_a_body_is_asked_for_again(httpserver: HTTPServer, status: int) -> None:
    httpserver.expect_ordered_request(PATH).respond_with_data("", status=status)
    httpserver.expect_ordered_request(PATH).respond_with_json(completion(), status=201)
    assert loaded(httpserver).answer(REQUESTS[:1], SAMPLING)[0].text == "It is striped."
    httpserver.expect_ordered_request(PATH).respond_with_data("", status=status)
    message = problem(loaded(httpserver, retries=0))
    assert f"no chat completion (status {status}, without a body)" in message


def test_a_server_that_failed_while_it_wrote_is_asked_again(httpserver: HTTPServer) -> None:
    httpserver.expect_ordered_request(PATH).respond_with_json(completion("It", "error"))
    httpserver.expect_ordered_request(PATH).respond_with_json(completion())
    assert loaded(httpserver).answer(REQUESTS[:1], SAMPLING)[0].text == "It is striped."


def test_the_key_goes_to_the_server_and_nowhere_else(
    httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PETS_KEY", SECRET)
    headers = {"Authorization": f"Bearer {SECRET}"}
    httpserver.expect_ordered_request(PATH, headers=headers).respond_with_json(completion())
    refusal = {"error": {"message": f"Incorrect API key provided: {SECRET}"}}
    httpserver.expect_ordered_request(PATH).respond_with_json(refusal, status=401)
    model = loaded(httpserver, api_key_variable="PETS_KEY")
    with caplog.at_level(logging.INFO):
        model.answer(REQUESTS[:1], SAMPLING)
        message = problem(model)
    assert "refuses the key" in message
    assert "$PETS_KEY" in message
    assert SECRET not in message + caplog.text + repr(model.provenance)


@pytest.mark.parametrize("value", [None, "", " "])
def test_a_missing_key_is_named(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    monkeypatch.delenv("PETS_KEY", raising=False)
    if value is not None:
        monkeypatch.setenv("PETS_KEY", value)
    with pytest.raises(InputError) as caught:
        load("http://127.0.0.1:9/v1", api_key_variable="PETS_KEY")
    assert str(caught.value).startswith(
        "config.yaml: language_models.gpt.api_key_variable: the environment variable PETS_KEY is "
        "not set"
    )


@pytest.mark.parametrize("value", ["kéy-hunter2", "key\nhunter2"])
def test_a_value_that_is_no_key_is_not_shown(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("PETS_KEY", value)
    with pytest.raises(InputError, match="the value of PETS_KEY is no key; set it again") as caught:
        load("http://127.0.0.1:9/v1", api_key_variable="PETS_KEY")
    assert "hunter2" not in str(caught.value)


def test_a_server_that_wants_a_key_asks_for_its_variable(httpserver: HTTPServer) -> None:
    httpserver.expect_request(PATH).respond_with_json({"error": {"message": "no"}}, status=401)
    assert "set `api_key_variable`" in problem(loaded(httpserver))


def test_rate_limits_are_waited_for(httpserver: HTTPServer) -> None:
    busy = Response(json.dumps({"error": {"message": "slow down"}}), status=429)
    busy.headers["Retry-After"] = "1"
    httpserver.expect_ordered_request(PATH).respond_with_response(busy)
    httpserver.expect_ordered_request(PATH).respond_with_json(completion())
    started = time.monotonic()
    replies = loaded(httpserver).answer(REQUESTS[:1], SAMPLING)
    assert time.monotonic() - started >= 1
    assert replies[0].text == "It is striped."


@pytest.mark.parametrize("status", [500, 503])
def test_failures_are_tried_again(httpserver: HTTPServer, status: int) -> None:
    httpserver.expect_ordered_request(PATH).respond_with_data("oops", status=status)
    httpserver.expect_ordered_request(PATH).respond_with_json(completion())
    assert loaded(httpserver).answer(REQUESTS[:1], SAMPLING)[0].finished


@pytest.mark.parametrize(
    ("status", "says"),
    [
        (429, "limits the rate (429: "),
        (500, "fails in 1 try (500: "),
        (404, "check `base_url` and `model`"),
        (403, "refuses the key"),
        (400, "refuses the request (400: "),
        (422, "`options` adds and removes fields"),
    ],
)
def test_refusals_say_what_to_do(httpserver: HTTPServer, status: int, says: str) -> None:
    error = {"error": {"message": "because " * 200}}
    httpserver.expect_request(PATH).respond_with_json(error, status=status)
    message = problem(loaded(httpserver, retries=0))
    assert says in message
    assert len(message) < 700


@pytest.mark.parametrize(
    "answer",
    [
        Response("<html>Welcome to nginx</html>", content_type="text/html"),
        Response("", content_type="application/json"),
        Response('{"choices": [', content_type="application/json"),
        Response("[]", content_type="application/json"),
        Response('"text"', content_type="application/json"),
        Response("{}", content_type="application/json"),
        Response('{"choices": []}', content_type="application/json"),
        Response('{"choices": [{}]}', content_type="application/json"),
        Response('{"choices": [{"message": {"content": 3}}]}', content_type="application/json"),
        Response(b"\xff\xfe\xfd", content_type="application/json"),
        *(Response(odd, content_type="application/json") for odd in ODD),
    ],
    ids=lambda answer: repr(answer.get_data())[:24],
)
def test_nonsense_is_no_reply(httpserver: HTTPServer, answer: Response) -> None:
    httpserver.expect_request(PATH).respond_with_response(answer)
    message = problem(loaded(httpserver, retries=0))
    assert "answers, but with no chat completion (" in message
    assert "); check `base_url`" in message


def test_nonsense_is_quoted_within_bounds_and_without_the_key(
    httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PETS_KEY", SECRET)
    page = f"<html>Welcome to nginx, {SECRET} {'x ' * 9_000}"
    httpserver.expect_request(PATH).respond_with_data(page)
    message = problem(loaded(httpserver, retries=0, api_key_variable="PETS_KEY"))
    assert "it says: <html>Welcome to nginx, *** x" in message
    assert SECRET not in message
    assert len(message) < 700


def test_a_malformed_answer_is_asked_again_and_costs_no_good_ones(httpserver: HTTPServer) -> None:
    good, odd = json.dumps(completion()), ODD[0]
    for text in (odd, odd, good, odd, good):
        answer = Response(text, content_type="application/json")
        httpserver.expect_ordered_request(PATH).respond_with_response(answer)
    model = loaded(httpserver, concurrency=1)
    told: list[Reply] = []
    requests = [*REQUESTS, Request("What is an ant?", 2)]
    replies = model.answer(requests, SAMPLING, lambda _, reply: told.append(reply))
    assert [reply.malformed for reply in replies] == [True, False, False]
    assert "it says: {" in replies[0].text
    assert told == replies
    assert len(httpserver.log) == 5
    assert model.provenance["answered_by"] == ["served-model-7"]


def test_what_is_under_way_when_a_request_fails_is_kept(tmp_path: Path) -> None:
    """The first request fails at once, the second one is answered later."""

    def answer(request: Received) -> Response:
        if b"zebra" in request.get_data():
            return Response("busy", status=503)
        time.sleep(0.3)
        return Response(json.dumps(completion("It is grey.")), content_type="application/json")

    kept = KeptReplies(tmp_path / "parts")
    with HTTPServer(threaded=True) as server:
        server.expect_request(PATH).respond_with_handler(answer)
        model = loaded(server, concurrency=2, retries=0)
        with pytest.raises(
            InputError, match=r"fails in 1 try \(503: busy\).* replies so far are kept"
        ):
            model.answer(REQUESTS, SAMPLING, kept.add)
    again = KeptReplies(tmp_path / "parts")
    assert again.find(REQUESTS[0]) is None
    assert again.find(REQUESTS[1]) == Reply("It is grey.", True, 9, 4, writer="served-model-7")


def test_the_next_run_asks_only_for_what_failed(httpserver: HTTPServer, tmp_path: Path) -> None:
    names = {"zebra": "zebra", "owl": "owl"}
    settings = Descriptions(model="gpt", questions=["What is {a} {}?"], samples=2)
    for _ in range(3):
        httpserver.expect_ordered_request(PATH).respond_with_json(completion())
    httpserver.expect_ordered_request(PATH).respond_with_data("oops", status=500)
    model = loaded(httpserver, concurrency=1, retries=0)
    with pytest.raises(InputError, match="oops"):
        describe_classes(names, settings, model, KeptReplies(tmp_path))
    other = {**completion("It is an owl."), "model": "served-model-8"}
    httpserver.expect_ordered_request(PATH).respond_with_json(other)
    kept = KeptReplies(tmp_path)
    data = describe_classes(names, settings, model, kept)
    assert len(httpserver.log) == 5
    texts = {name: [row["text"] for row in rows] for name, rows in data["replies"].items()}
    assert texts == {"zebra": ["It is striped."] * 2, "owl": ["It is striped.", "It is an owl."]}
    assert data["model"]["answered_by"] == ["served-model-7", "served-model-8"]
    assert data["tokens"] == {"questions": 36, "replies": 16}


def test_a_reply_in_parts_is_its_text(httpserver: HTTPServer) -> None:
    data = completion()
    data["choices"][0]["message"]["content"] = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]},
        {"type": "text", "text": "It is "},
        {"type": "text", "text": "striped."},
    ]
    httpserver.expect_request(PATH).respond_with_json(data)
    assert loaded(httpserver).answer(REQUESTS[:1], SAMPLING)[0].text == "It is striped."


def test_an_answer_that_is_too_large_is_refused_at_once(
    httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(completions, "LARGEST_ANSWER", 1000)
    httpserver.expect_request(PATH).respond_with_json(completion("x" * 1000))
    message = problem(loaded(httpserver, retries=3))
    assert "sends an answer that is larger than 1000 bytes" in message
    assert len(httpserver.log) == 1


def test_the_name_of_the_model_is_kept_in_bounds(httpserver: HTTPServer) -> None:
    httpserver.expect_request(PATH).respond_with_json({**completion(), "model": "x" * 10_000})
    model = loaded(httpserver)
    model.answer(REQUESTS[:1], SAMPLING)
    assert model.provenance["answered_by"] == ["x" * completions.LONGEST_NAME]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirections_are_not_followed(httpserver: HTTPServer, status: int) -> None:
    response = Response("", status, {"Location": httpserver.url_for("/elsewhere")})
    httpserver.expect_request(PATH).respond_with_response(response)
    message = problem(loaded(httpserver))
    assert re.search(r"redirects to .*/elsewhere; if that is right, set it as `base_url`", message)
    assert [request.path for request, _ in httpserver.log] == [PATH]


def test_half_a_body_is_no_reply(httpserver: HTTPServer) -> None:
    whole = json.dumps(completion())
    half = Response(whole[: len(whole) // 2], content_type="application/json")
    half.headers["Content-Length"] = str(len(whole))
    httpserver.expect_ordered_request(PATH).respond_with_response(half)
    httpserver.expect_ordered_request(PATH).respond_with_json(completion())
    httpserver.expect_ordered_request(PATH).respond_with_response(half)
    assert loaded(httpserver).answer(REQUESTS[:1], SAMPLING)[0].text == "It is striped."
    assert "no usable answer from http://" in problem(loaded(httpserver, retries=0))


def test_a_server_that_is_down_is_named() -> None:
    url = f"http://127.0.0.1:{free_port()}/v1"
    message = problem(load(url))
    assert f"no usable answer from {url} in 2 tries" in message
    assert "start the server, or correct `base_url`" in message
    assert "all replies so far are kept" in message


def test_a_server_that_is_too_slow_is_named(httpserver: HTTPServer) -> None:
    def answer(_: Received) -> Response:
        time.sleep(0.5)
        return Response(json.dumps(completion()), content_type="application/json")

    httpserver.expect_request(PATH).respond_with_handler(answer)
    message = problem(loaded(httpserver, timeout=0.1, retries=0))
    assert "within 0.1 s, in 1 try; raise `timeout` or lower `concurrency`" in message


def test_the_first_failure_ends_the_rest(httpserver: HTTPServer) -> None:
    httpserver.expect_request(PATH).respond_with_json({"error": {"message": "no"}}, status=400)
    model = loaded(httpserver, concurrency=2)
    with pytest.raises(InputError):
        model.answer(REQUESTS * 20, SAMPLING)
    assert len(httpserver.log) < 20


@pytest.fixture(scope="module")
def tiny_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """Address and model of a server of the transformers library."""
    model = save_tiny_model(tmp_path_factory.mktemp("served") / "model")
    with served(model) as url:
        yield url, model


@pytest.mark.long
def test_a_real_server_replies(tiny_server: tuple[str, Path]) -> None:
    url, name = tiny_server
    model = load(url, model=str(name), concurrency=1)
    requests = [Request("a black wings .", seed) for seed in range(6)]

    replies = model.answer(requests, SAMPLING)

    assert len({reply.text for reply in replies}) > 3
    for reply in replies:
        assert {*reply.text.split()} <= {*WORDS}
        assert reply.question_tokens > 4
        assert 0 < reply.reply_tokens <= SAMPLING.max_tokens
        assert reply.finished == (reply.reply_tokens < SAMPLING.max_tokens)
    assert model.answer(requests, SAMPLING) == replies
    assert str(name) in model.provenance["answered_by"][0]


@pytest.mark.long
def test_a_real_server_refuses_an_unknown_model(tiny_server: tuple[str, Path]) -> None:
    message = problem(load(tiny_server[0], model="another/model", retries=0))
    assert "requested 'another/model'" in message
