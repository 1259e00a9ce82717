"""Language models of the transformers library, by tiny ones with random weights."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch

from susx.config.texts import TransformersModel
from susx.core.errors import InputError
from susx.prompts.language_models import Reply, Request, Sampling, load_language_model
from susx.prompts.language_models.transformers_causal import CausalModel, GumbelNoise
from susx.prompts.thoughts import without_thoughts
from tests.language_models import CHAT_TEMPLATE, WORDS, save_tiny_model

SAMPLING = Sampling(temperature=0.9, top_p=1.0, max_tokens=12)
REQUESTS = [
    Request(question, seed)
    for seed, question in enumerate(
        ["a .", "it has a red wings and a black stripes .", "with a small", "black and white"] * 2
    )
]


@pytest.fixture(scope="module", params=["chat", "base"])
def folder(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with a chat template, and one without."""
    return save_tiny_model(tmp_path_factory.mktemp("llm") / "model", chat=request.param == "chat")


def load(folder: Path, **settings: Any) -> Any:
    return load_language_model(
        "local", {"backend": "transformers", "model": str(folder), "device": "cpu", **settings}
    )


def test_replies_depend_only_on_question_and_seed(folder: Path) -> None:
    together = load(folder).answer(REQUESTS, SAMPLING)
    one_by_one = load(folder, batch_size=1).answer(REQUESTS[::-1], SAMPLING)[::-1]
    in_batches = load(folder, batch_size=3).answer(REQUESTS, SAMPLING)
    assert together == one_by_one == in_batches
    assert len({reply.text for reply in together}) == len(REQUESTS)


def test_other_seeds_give_other_replies(folder: Path) -> None:
    model = load(folder)
    replies = model.answer([Request("a .", seed) for seed in range(8)], SAMPLING)
    assert len({reply.text for reply in replies}) == 8


def test_temperature_zero_is_greedy(folder: Path) -> None:
    model = load(folder)
    requests = [Request("a .", seed) for seed in range(3)]
    replies = model.answer(requests, Sampling(0.0, 1.0, 6))
    assert len({reply.text for reply in replies}) == 1
    assert model.answer(requests, Sampling(1e-6, 1.0, 6)) == replies
    assert model.answer(requests, Sampling(2.0, 1e-6, 6)) == replies


def test_replies_end_where_the_model_ends_them_or_at_the_limit(folder: Path) -> None:
    requests = [Request("a .", seed) for seed in range(24)]
    replies: list[Reply] = load(folder).answer(requests, SAMPLING)
    assert {reply.finished for reply in replies} == {True, False}
    for reply in replies:
        words = reply.text.split()
        assert {*words} <= {*WORDS}
        assert reply.question_tokens > 0
        assert reply.finished or reply.reply_tokens == SAMPLING.max_tokens
        assert not reply.finished or len(words) < reply.reply_tokens <= SAMPLING.max_tokens


def test_the_template_of_a_chat_model_is_used(tmp_path: Path) -> None:
    chat, base = (load(save_tiny_model(tmp_path / str(c), chat=c)) for c in (True, False))
    assert (chat.provenance["chat_template"], base.provenance["chat_template"]) == (True, False)
    decoded = [m._tokenizer.decode(m._tokens("black wings")) for m in (chat, base)]
    assert [text.count("black wings") for text in decoded] == [1, 1]
    assert len(chat._tokens("black wings")) != len(base._tokens("black wings"))


SWITCHES = (
    "{% if not enable_thinking and not thinking %}<think></think>{% else %}<think>{% endif %}",
    "{% if thinking %}<think>{% endif %}",
)


@pytest.mark.parametrize("switch", SWITCHES)
def test_thinking_is_switched_in_the_template_and_has_room(tmp_path: Path, switch: str) -> None:
    folder = save_tiny_model(tmp_path / "thinks", template=CHAT_TEMPLATE + switch)
    quiet, loud = load(folder), load(folder, thinking_tokens=5)
    assert not quiet._prompt("What?").endswith("<think>")
    assert loud._prompt("What?").endswith("<think>")
    replies = loud.answer(REQUESTS, SAMPLING)
    assert max(reply.reply_tokens for reply in replies) == SAMPLING.max_tokens + 5
    assert all(without_thoughts(reply.text) == ("", False) for reply in replies)
    assert not any("<think>" in reply.text for reply in quiet.answer(REQUESTS, SAMPLING))


@pytest.mark.parametrize("end", ["<think>\n", "{# <|channel|>analysis #}"])
def test_a_model_that_always_thinks_needs_tokens_for_it(tmp_path: Path, end: str) -> None:
    folder = save_tiny_model(tmp_path / "thinks", template=CHAT_TEMPLATE + end)
    with pytest.raises(InputError, match=r"language_models\.local: .*give it `thinking_tokens`"):
        load(folder)
    load(folder, thinking_tokens=1)


def test_special_tokens_of_thoughts_are_kept_and_no_others(tmp_path: Path) -> None:
    model = load(save_tiny_model(tmp_path / "model"))
    settings = TransformersModel(backend="transformers", model=str(tmp_path), device="cpu")
    tokenizer = model._tokenizer
    tokenizer.add_special_tokens({"additional_special_tokens": ["[THINK]", "[/THINK]", "<s>"]})
    again = CausalModel("k", settings, model._model, tokenizer)
    tokens = tokenizer("<s>[THINK]a red[/THINK]black wings")["input_ids"]
    assert without_thoughts(again._text(tokens)) == ("black wings", False)


def test_provenance_tells_the_weights(folder: Path, tmp_path: Path) -> None:
    other = save_tiny_model(tmp_path / "other", seed=1)
    one, two = load(folder).provenance, load(other).provenance
    assert one == load(folder).provenance
    assert one["weights_sha256"] != two["weights_sha256"]
    assert (one["model"], one["device"], one["precision"]) == (str(folder), "cpu", "float32")


def test_no_question_is_no_reply(folder: Path) -> None:
    assert load(folder).answer([], SAMPLING) == []


def test_a_question_longer_than_the_model_is_named(folder: Path) -> None:
    with pytest.raises(InputError, match=r"language_models\.local: .*exceed the model's 128 tok"):
        load(folder).answer(REQUESTS, Sampling(0.9, 1.0, 128))


@pytest.mark.parametrize("name", ["nowhere/model", "model.safetensors"])
def test_a_model_that_cannot_be_loaded_is_named(folder: Path, tmp_path: Path, name: str) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    for path in folder.iterdir():
        if path.name != name:
            (broken / path.name).write_bytes(path.read_bytes())
    model = broken if (folder / name).exists() else tmp_path / name
    with pytest.raises(InputError) as caught:
        load(model)
    message = str(caught.value)
    assert message.startswith(f"config.yaml: language_models.local.model: {model} cannot be")
    assert "give a folder that save_pretrained wrote" in message


def test_gumbel_noise_samples_the_softmax() -> None:
    n = 4000
    probabilities = torch.tensor([0.5, 0.3, 0.15, 0.05])
    noise = GumbelNoise(range(n))
    scores = probabilities.log().expand(n, -1)
    drawn = Counter(noise(torch.empty(0), scores).argmax(dim=1).tolist())
    for token, probability in enumerate(probabilities.tolist()):
        deviation = (n * probability * (1 - probability)) ** 0.5
        assert abs(drawn[token] - n * probability) < 4 * deviation
