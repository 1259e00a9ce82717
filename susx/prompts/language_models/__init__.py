"""Language models: one contract, one registry entry per backend."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from susx.config.texts import BACKENDS
from susx.core.registry import imported


@dataclass(frozen=True)
class Request:
    """A question, and the seed that its reply is sampled with."""

    question: str
    seed: int


@dataclass(frozen=True)
class Sampling:
    """How replies are sampled: from the top `top_p` of softmax(logits / temperature)."""

    temperature: float
    top_p: float
    max_tokens: int


@dataclass(frozen=True)
class Reply:
    """What a model wrote.

    Attributes:
        text: as it was written.
        finished: whether the model ended it; else it was cut, at the maximal length or by a filter.
        question_tokens: of the question.
        reply_tokens: of the text, and of thoughts.
        malformed: whether the server's answer was no reply, however often it was asked; `text` is
            then the beginning of what it said.
        writer: the model that the server says has written it.
        withheld: whether the server says that the model refused, or keeps the whole text back.
    """

    text: str
    finished: bool
    question_tokens: int = 0
    reply_tokens: int = 0
    malformed: bool = False
    writer: str = ""
    withheld: bool = False


Keep = Callable[[Request, Reply], object]
"""What is told of every reply as it arrives, from any thread."""


def nothing(_request: Request, _reply: Reply) -> None:
    """Keep no reply."""


class LanguageModel(Protocol):
    """What every backend offers.

    Attributes:
        provenance: backend, model, and its weights or endpoint; complete after `answer`.
    """

    provenance: dict[str, Any]

    def answer(
        self, requests: Sequence[Request], sampling: Sampling, keep: Keep = nothing
    ) -> list[Reply]:
        """Reply to every request, in order.

        Raises:
            InputError: if there is no reply to one of them; it names the key in config.yaml.
        """
        ...


def load_language_model(name: str, settings: Mapping[str, Any]) -> LanguageModel:
    """Load a language model.

    Args:
        name: its name in config.yaml, for error messages.
        settings: its section there.

    Raises:
        InputError: if it is missing, broken, or lacks its key.
    """
    backend = BACKENDS.named(settings["backend"])
    load: Callable[[str, Any], LanguageModel] = imported(backend.load)
    return load(f"config.yaml: language_models.{name}", backend.section(**settings))
