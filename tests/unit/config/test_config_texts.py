"""Language models, and what they are asked, in config.yaml."""

import copy
from pathlib import Path
from typing import Any

import pytest

from susx.config import parse_config
from susx.config.datasets import with_card
from susx.config.texts import (
    DESCRIPTION_QUESTIONS,
    HOW_IT_RUNS,
    Descriptions,
    Descriptors,
    OpenAIServer,
    TransformersModel,
)
from susx.core.errors import InputError
from tests.made.config import MINIMAL

SERVER = {"backend": "openai", "base_url": "http://localhost:8000/v1", "model": "m"}
LOCAL = {"backend": "transformers", "model": "models/m"}


def parsed(dataset: dict[str, Any], **models: Any) -> Any:
    config: dict[str, Any] = copy.deepcopy(MINIMAL)
    config["datasets"]["pets"].update(dataset)
    config["language_models"] = {"gpt": SERVER, "local": LOCAL, **models}
    return parse_config(config)


def message(dataset: dict[str, Any], **models: Any) -> str:
    with pytest.raises(InputError) as caught:
        parsed(dataset, **models)
    return str(caught.value)


def test_a_file_or_a_model_gives_texts() -> None:
    pets = parsed({"descriptions": "d.json", "descriptors": {"model": "gpt"}}).datasets["pets"]
    assert pets.descriptions == "d.json"
    assert pets.descriptors == Descriptors(model="gpt")
    assert (pets.descriptors.samples, pets.descriptors.temperature) == (1, 0.0)


def test_room_for_thoughts_is_not_lost_in_options() -> None:
    server = {"backend": "openai", "base_url": "http://h/v1", "model": "m", "thinking_tokens": 9}
    with pytest.raises(ValueError, match="changes nothing where `options` replaces `max_tokens`"):
        OpenAIServer(**server, options={"max_tokens": None, "max_completion_tokens": 5})
    assert OpenAIServer(**server).thinking_tokens == 9


def test_keys_of_how_a_model_runs_exist() -> None:
    known = {*OpenAIServer.model_fields, *TransformersModel.model_fields}
    assert known > HOW_IT_RUNS
    assert known - HOW_IT_RUNS == {
        *("backend", "model", "revision", "precision", "base_url", "options", "thinking_tokens")
    }


@pytest.mark.parametrize(
    ("texts", "says"),
    [
        ({"model": "gtp"}, '.model: no entry "gtp" under language_models; did you mean "gpt"?'),
        ({"model": "gpt", "sampels": 3}, '.sampels: unknown key; did you mean "samples"?'),
        ({"samples": 3}, ".model: missing"),
        ({"model": "gpt", "samples": "3"}, ".samples: Input should be a valid integer"),
        ({"model": "gpt", "temperature": 0, "samples": 2}, "say `samples: 1`"),
        ({"model": "gpt", "temperature": -1}, ".temperature: "),
        ({"model": "gpt", "top_p": 0}, ".top_p: "),
        ({"model": "gpt", "chunk": 0}, ".chunk: "),
        ({"model": "gpt", "questions": []}, ".questions: "),
        ({"model": "gpt", "questions": ["What?"]}, 'question "What?" must contain {}'),
        ({"model": "gpt", "questions": ["A {name} {}?"]}, "unknown placeholder {name}"),
        ({"model": "gpt", "questions": ["{}?", "{}?"]}, '"{}?" is listed twice'),
        (3, ": a JSON file, or a mapping with `model`, not 3"),
    ],
)
@pytest.mark.parametrize("kind", ["descriptions", "descriptors"])
def test_problems_of_texts_name_their_key(kind: str, texts: Any, says: str) -> None:
    problem = message({kind: texts})
    assert problem.startswith(f"config.yaml: datasets.pets.{kind}")
    assert says in problem
    assert "\n" not in problem


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"backend": "openia"}, ".backend: expected one of 'transformers', 'openai'"),
        ({"conccurrency": 3}, '.conccurrency: unknown key; did you mean "concurrency"?'),
        ({"base_url": "localhost:8000"}, ".base_url: must be an address like http"),
        ({"base_url": "http://me:hunter2@host/v1"}, ".base_url: holds credentials"),
        ({"base_url": "http://host/v1?key=hunter2"}, ".base_url: holds credentials"),
        ({"api_key_variable": "sk-hunter2"}, ".api_key_variable: must be the name of an env"),
        ({"api_key": "hunter2"}, '.api_key: unknown key; did you mean "api_key_variable"?'),
        ({"options": {"api_key": "hunter2"}}, ".options: `api_key` would end up in results"),
        ({"timeout": 0}, ".timeout: "),
        ({"options": {"n": 5}}, "`n` in `options` would pay for replies that are not read"),
        ({"options": {"stream": True}}, "`stream` in `options`: replies are read as a whole"),
    ],
)
def test_problems_of_models_name_their_key_and_no_secret(changes: Any, says: str) -> None:
    problem = message({}, gpt={**SERVER, **changes})
    assert problem.startswith("config.yaml: language_models.gpt")
    assert says in problem
    assert "hunter2" not in problem


def test_a_model_without_a_backend_is_named() -> None:
    problem = message({}, gpt={"model": "m"})
    assert problem == "config.yaml: language_models.gpt.backend: missing"


def test_keys_of_the_other_backend_are_unknown() -> None:
    assert "language_models.local.concurrency: unknown key" in message(
        {}, local={**LOCAL, "concurrency": 2}
    )


def with_questions(folder: Path, texts: Any, questions: str = "['card {}?']") -> Any:
    (folder / "card.yaml").write_text(f"title: P\nclasses: [cat]\nquestions: {questions}\n")
    dataset = {"card": str(folder / "card.yaml"), "classes": None, "descriptions": texts}
    return with_card(parsed(dataset).datasets["pets"]).descriptions


def test_questions_come_from_the_card_unless_the_configuration_has_its_own(tmp_path: Path) -> None:
    assert with_questions(tmp_path, {"model": "gpt"}).questions == ["card {}?"]
    own = {"model": "gpt", "questions": ["own {}?"]}
    assert with_questions(tmp_path, own).questions == ["own {}?"]
    assert with_questions(tmp_path, "file.json") == "file.json"
    assert Descriptions(model="gpt").questions == DESCRIPTION_QUESTIONS


def test_questions_of_a_card_are_checked(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"card\.yaml: questions\.0: .* must contain \{\}"):
        with_questions(tmp_path, {"model": "gpt"}, "['what?']")
