"""What every registered backend of language models promises."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request as Received
from werkzeug import Response

from susx.config import parse_config
from susx.config.texts import BACKENDS
from susx.core.errors import InputError
from susx.prompts.language_models import (
    LanguageModel,
    Reply,
    Request,
    Sampling,
    load_language_model,
)
from tests.contract.cases import LanguageModelCase, added
from tests.language_models import save_tiny_model

SAMPLING = Sampling(temperature=0.7, top_p=0.9, max_tokens=12)
REQUESTS = [Request(f"What is {n}?", seed) for seed, n in enumerate(("a bee", "an owl", "a cat"))]


@contextmanager
def transformers(folder: Path) -> Iterator[dict[str, Any]]:
    yield {"model": str(save_tiny_model(folder / "model")), "device": "cpu"}


def answered(request: Received) -> Response:
    """What a server says: the question again."""
    text = json.loads(request.get_data())["messages"][0]["content"]
    message = {"role": "assistant", "content": text}
    said = {
        **{"id": "1", "object": "chat.completion", "created": 1, "model": "served"},
        "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13},
    }
    return Response(json.dumps(said), content_type="application/json")


@contextmanager
def openai(folder: Path) -> Iterator[dict[str, Any]]:
    with HTTPServer() as server:
        server.expect_request("/v1/chat/completions").respond_with_handler(answered)
        yield {"base_url": server.url_for("/v1"), "model": "tiny"}


CASES = {
    "transformers": LanguageModelCase(transformers),
    "openai": LanguageModelCase(openai),
} | added("language_model", LanguageModelCase)


@pytest.fixture(params=list(CASES), scope="module")
def said(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Any]]:
    """Section of a model that can be asked."""
    with CASES[request.param].model(tmp_path_factory.mktemp("contract")) as section:
        yield {"backend": request.param, **section}


@pytest.fixture(scope="module")
def model(said: dict[str, Any]) -> LanguageModel:
    return load_language_model("writer", said)


def test_every_backend_is_held_to_the_contract() -> None:
    assert set(CASES) == set(BACKENDS)


def test_every_request_is_answered_in_order(model: LanguageModel) -> None:
    kept: list[tuple[Request, Reply]] = []
    replies = model.answer(REQUESTS, SAMPLING, lambda *told: kept.append(told))
    assert all(isinstance(reply.text, str) and not reply.malformed for reply in replies)
    assert sorted(kept, key=lambda told: told[0].seed) == [*zip(REQUESTS, replies, strict=True)]


def test_the_same_question_and_seed_give_the_same_reply(model: LanguageModel) -> None:
    texts = [[r.text for r in model.answer(REQUESTS, SAMPLING)] for _ in range(2)]
    assert texts[0] == texts[1]


def test_no_request_has_no_reply(model: LanguageModel) -> None:
    assert model.answer([], SAMPLING) == []


def test_provenance_names_backend_and_model(model: LanguageModel, said: dict[str, Any]) -> None:
    model.answer(REQUESTS[:1], SAMPLING)
    provenance = json.loads(json.dumps(model.provenance))
    assert provenance["backend"] == said["backend"]
    assert provenance["model"]


def test_the_configuration_takes_the_section(said: dict[str, Any]) -> None:
    data = {
        "datasets": {"pets": {"classes": ["cat"], "images": {"test": "images"}}},
        "encoders": {"clip": {"library": "transformers", "model": "model"}},
        "language_models": {"writer": said},
    }
    assert parse_config(data).model_dump()["language_models"]["writer"].items() >= said.items()
    data["language_models"] = {"writer": said | {"voicez": 1}}
    with pytest.raises(InputError, match=r"language_models\.writer\.voicez: unknown key"):
        parse_config(data)
