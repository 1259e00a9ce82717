"""Descriptions by a language model: asked in chunks, joined, and made into prompts."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request as Received
from werkzeug import Response

from susx.evaluation.schema import read_result
from tests.language_models import save_tiny_model
from tests.workflow.project import NAMES, RESULT, Project
from tests.workflow.test_workflow_bad_input import assert_nothing_half_written, assert_one_error

SECRET = "sk-hunter2"  # noqa: S105
CUPL = "work/tiny/prompts/cupl.json"
JOINED = "work/tiny/descriptions.json"
CHUNKS = [f"work/tiny/replies/descriptions/{chunk}.json" for chunk in ("0000", "0001")]
QUESTIONS = ["What is {}?", "Where is {}?"]

pytestmark = pytest.mark.pipeline


def replies(broken: Callable[[str], bool] = lambda question: False) -> Callable[..., Response]:
    """Handler that answers questions, or fails where it is told to."""

    def answer(request: Received) -> Response:
        body = json.loads(request.get_data())
        question = body["messages"][0]["content"]
        if broken(question):
            return Response("out of order", status=500)
        text = f"It looks like {question[:6].lower()} no. {body['seed'] % 1000}. And so on."
        message = {"role": "assistant", "content": text}
        data = {
            "model": "served-model-7",
            "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
            "usage": {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13},
        }
        return Response(json.dumps(data), content_type="application/json")

    return answer


def ask_server(project: Project, url: str, chunk: int = 2, **server: Any) -> None:
    """Configure descriptions by a model behind a server."""

    def change(config: dict[str, Any]) -> None:
        model = {"backend": "openai", "base_url": url, "model": "m", "retries": 0, **server}
        texts = {"model": "gpt", "questions": QUESTIONS, "samples": 2, "chunk": chunk}
        config["language_models"] = {"gpt": model}
        config["datasets"]["tiny"]["descriptions"] = texts

    project.change_config(change)


def change_texts(project: Project, **changes: Any) -> None:
    """Change how descriptions are asked for."""
    project.change_config(lambda c: c["datasets"]["tiny"]["descriptions"].update(changes))


def test_texts_are_asked_in_chunks_and_again_only_after_a_change(
    fresh_project: Project, httpserver: HTTPServer
) -> None:
    authorised = {"Authorization": f"Bearer {SECRET}"}
    httpserver.expect_request("/v1/chat/completions", headers=authorised).respond_with_handler(
        replies()
    )
    server = {"url": httpserver.url_for("/v1"), "api_key_variable": "PETS_KEY"}
    ask_server(fresh_project, **server)
    with_key = {"HF_HUB_OFFLINE": "1", "PETS_KEY": SECRET}

    outcome = fresh_project.run(CUPL, env=with_key)

    assert outcome.made == {"work/tiny/classes.json", *CHUNKS, JOINED, CUPL}
    assert_written(fresh_project)
    assert SECRET not in outcome.output
    for path in fresh_project.root.rglob("*"):
        assert path.is_dir() or SECRET.encode() not in path.read_bytes(), path

    before = [fresh_project.path(path).read_bytes() for path in CHUNKS]
    ask_server(fresh_project, **server, timeout=7, retries=3, concurrency=1)
    fresh_project.path("classes.txt").write_text("\n".join([*NAMES, "new"]), "utf-8")
    third = CHUNKS[0].replace("0000", "0002")
    appended = fresh_project.run(CUPL, env=with_key)
    assert appended.made == {"work/tiny/classes.json", third, JOINED, CUPL}
    assert [fresh_project.path(path).read_bytes() for path in CHUNKS] == before

    change_texts(fresh_project, seed=1)
    assert fresh_project.plan(CUPL).made == {*CHUNKS, third, JOINED, CUPL}
    ask_server(fresh_project, **server, model="other")
    assert fresh_project.plan(CUPL).made == {*CHUNKS, third, JOINED, CUPL}


def assert_written(project: Project) -> None:
    """Expect the replies of the server as prompts, with what led to them."""
    joined, prompts = project.read_json(JOINED), project.read_json(CUPL)
    assert list(joined["texts"]) == NAMES
    assert len(joined["texts"]["café"]) == 4
    assert joined["texts"]["café"][0].startswith("café: It looks like what i no. ")
    assert prompts["prompts"] == joined["texts"]
    provenance = prompts["provenance"]["descriptions"]
    assert provenance == {"file": JOINED, **joined["provenance"]}
    assert provenance["tokens"] == {"questions": 144, "replies": 64}
    assert provenance["model"]["answered_by"] == ["served-model-7"]


def test_results_say_where_texts_come_from(finished: Project) -> None:
    texts = read_result(finished.path(RESULT)).texts

    assert set(texts) == {"photo", "ensemble", "cupl", "cupl+e"}
    for name, counts in texts.items():
        assert counts.sources == finished.read_json(f"work/tiny/prompts/{name}.json")["provenance"]


def test_a_chunk_that_fails_leaves_the_others(
    fresh_project: Project, httpserver: HTTPServer
) -> None:
    httpserver.expect_request("/v1/chat/completions").respond_with_handler(
        replies(broken=lambda question: "apple" in question)
    )
    ask_server(fresh_project, httpserver.url_for("/v1"))

    outcome = fresh_project.attempt(CUPL)

    assert outcome.returncode != 0
    assert_one_error(fresh_project, outcome, ("language_models.gpt: ", "fails in 1 try (500: "))
    assert_nothing_half_written(fresh_project, CHUNKS[1])
    kept = fresh_project.path(CHUNKS[0]).read_bytes()
    httpserver.clear()
    httpserver.expect_request("/v1/chat/completions").respond_with_handler(replies())
    assert fresh_project.run(CUPL).made == {CHUNKS[1], JOINED, CUPL}
    assert fresh_project.path(CHUNKS[0]).read_bytes() == kept
    assert len(httpserver.log) < 8, "replies of the chunk that failed were asked for again"


def test_a_local_model_describes_and_new_weights_describe_anew(fresh_project: Project) -> None:
    save_tiny_model(fresh_project.path("llm"))

    def change(config: dict[str, Any]) -> None:
        model = {"backend": "transformers", "model": "llm", "device": "cpu", "threads": 1}
        config["language_models"] = {"local": model}
        config["datasets"]["tiny"]["descriptions"] = {
            **{"model": "local", "samples": 8, "questions": ["What is {}?"]}
        }

    fresh_project.change_config(change)

    outcome = fresh_project.run(CUPL)

    assert outcome.made == {"work/tiny/classes.json", CHUNKS[0], JOINED, CUPL}
    joined = fresh_project.read_json(JOINED)
    assert all(joined["texts"].values())
    counts = joined["provenance"]
    assert counts["n_replies"] == len(NAMES) * 8
    assert counts["n_kept"] + sum(counts["n_dropped"].values()) == counts["n_replies"]
    assert counts["n_dropped"]["unfinished"] > 0
    assert counts["tokens"]["replies"] > 0
    save_tiny_model(fresh_project.path("llm"), seed=1)
    assert fresh_project.plan(CUPL).made == {CHUNKS[0], JOINED, CUPL}
