"""Candidates from a clip-retrieval backend, played by a server on loopback."""

import json
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from susx.config.pools import ServicePool
from susx.core.errors import InputError
from susx.manifests.classes import class_manifest
from susx.prompts.strategies import build_prompts
from susx.support.service import query_service

CLASSES = class_manifest(["zebra", "ant"])
TEMPLATES = {"template": "a {}.", "ensemble": ["a {}.", "one {}."]}
PROMPTS = build_prompts(
    "ensemble",
    {"ensemble": "ensemble"},
    CLASSES,
    {**TEMPLATES, "descriptions": None, "descriptors": None},
)


def service(server: HTTPServer, **keys: Any) -> ServicePool:
    return ServicePool(
        layout="service", url=server.url_for("/"), index="laion", **{"retries": 0, **keys}
    )


def answer(request: Request) -> Response:
    asked = json.loads(request.data)
    text = asked["text"]
    hits = [
        {"url": f"http://h/{text}/{i}", "caption": text, "similarity": 0.5 - i / 10, "punsafe": 0.1}
        for i in range(asked["num_images"])
    ]
    return Response(json.dumps([*hits, {"id": 7}]), content_type="application/json")


def test_every_text_is_asked_once(httpserver: HTTPServer, tmp_path: Path) -> None:
    httpserver.expect_request("/knn-service", method="POST").respond_with_handler(answer)
    for _ in range(2):
        table = query_service(service(httpserver), PROMPTS, CLASSES, 2, tmp_path)
        texts = [("a zebra.", 0), ("one zebra.", 0), ("a ant.", 1), ("one ant.", 1)]
        assert [(c.label, c.query, c.url, c.score) for c in table.records] == [
            (label, query, f"http://h/{text}/{i}", 0.5 - i / 10)
            for query, (text, label) in enumerate(texts)
            for i in range(2)
        ]
        assert {c.metadata for c in table.records} == {'{"punsafe": 0.1}'}
        assert table.classes_sha256 == CLASSES.sha256
    assert len(httpserver.log) == 4
    assert json.loads(httpserver.log[0][0].data)["indice_name"] == "laion"


def test_a_service_that_goes_down_can_be_resumed(httpserver: HTTPServer, tmp_path: Path) -> None:
    answers = iter([200, 200, 500])

    def failing(request: Request) -> Response:
        return answer(request) if next(answers) == 200 else Response("broken", 500)

    httpserver.clear()
    httpserver.expect_request("/knn-service").respond_with_handler(failing)
    with pytest.raises(InputError, match=r"answers with status 500; .*answers so far are kept"):
        query_service(service(httpserver), PROMPTS, CLASSES, 2, tmp_path)
    httpserver.clear()
    httpserver.expect_request("/knn-service").respond_with_handler(answer)
    assert len(query_service(service(httpserver), PROMPTS, CLASSES, 2, tmp_path).records) == 8
    assert len(httpserver.log) == 2


def test_passing_errors_are_tried_again(httpserver: HTTPServer, tmp_path: Path) -> None:
    httpserver.expect_oneshot_request("/knn-service").respond_with_data("busy", 503)
    httpserver.expect_request("/knn-service").respond_with_handler(answer)
    pool = service(httpserver, retries=2)
    assert len(query_service(pool, PROMPTS, CLASSES, 1, tmp_path).records) == 4


def test_a_service_that_is_not_there_is_named(tmp_path: Path) -> None:
    pool = ServicePool(layout="service", url="http://127.0.0.1:9", index="laion", retries=0)
    with pytest.raises(InputError, match=r"http://127\.0\.0\.1:9/knn-service: .*run again"):
        query_service(pool, PROMPTS, CLASSES, 1, tmp_path)


@pytest.mark.parametrize("body", ["{}", "[1]", "<html>"])
def test_another_kind_of_service_is_named(
    httpserver: HTTPServer, tmp_path: Path, body: str
) -> None:
    httpserver.expect_request("/knn-service").respond_with_data(body)
    with pytest.raises(InputError, match="/knn-service: "):
        query_service(service(httpserver), PROMPTS, CLASSES, 1, tmp_path)
    assert list(tmp_path.iterdir()) == []
