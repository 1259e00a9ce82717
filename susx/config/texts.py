"""Sections of config.yaml on language models, and on the texts that they write about classes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, model_validator

from susx.config.registered import Registered, wrong_section
from susx.config.secrets import checked_request
from susx.config.types import Count, FilePath, Finite, Positive, Section, WithoutRepeats
from susx.core.registry import Registry

DESCRIPTION_QUESTIONS = [
    "What does {a} {} look like?",
    "How can you recognise {a} {} in a photo?",
    "Describe the shape, the colours and the parts of {a} {}.",
    "Describe a photo of {a} {}.",
    "Write a caption for a photo of {a} {}.",
]
DESCRIPTOR_QUESTIONS = ["Which visual features tell that a photo shows {a} {}?"]


def _question(text: str) -> str:
    rest = text.replace("{a}", "")
    if "{}" not in rest:
        raise ValueError(f'question "{text}" must contain {{}}, for the class name')
    if unknown := re.search(r"\{[^{}]+\}", rest):
        raise ValueError(
            f'question "{text}": unknown placeholder {unknown[0]}; there are {{}} for the class '
            "name and {a} for its article"
        )
    return text


def _plain_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be an address like http://localhost:8000/v1")
    return url.rstrip("/")


def _variable(name: str) -> str:
    if not re.fullmatch(r"[A-Z_][A-Z0-9_]*", name):
        raise ValueError("must be the name of an environment variable in capitals, not the key")
    return name


Question = Annotated[str, AfterValidator(_question)]
Questions = Annotated[list[Question], Field(min_length=1), WithoutRepeats]


class TransformersModel(Section):
    """A causal or chat model of the transformers library, run by the pipeline itself."""

    backend: Literal["transformers"] = Field(description="What runs the model.")
    model: FilePath = Field(description="Local folder or hub identifier.")
    revision: str | None = Field(None, description="Hub revision; pin it for reproducibility.")
    precision: Literal["float32", "float16", "bfloat16"] = Field(
        "float32", description="Precision of the weights."
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = Field("auto", description="Where it runs.")
    thinking_tokens: Count = Field(
        0,
        description="Tokens for thoughts, on top of `max_tokens`. 0 switches thinking off in the "
        "model's chat template.",
    )
    batch_size: Positive = Field(16, description="Replies written at the same time.")
    threads: Positive = Field(4, description="CPU threads of a job, at most `--cores`.")


class OpenAIServer(Section):
    """A chat model behind any server that speaks OpenAI's protocol: a vendor's, vLLM, Ollama."""

    backend: Literal["openai"] = Field(description="What runs the model.")
    base_url: Annotated[str, AfterValidator(_plain_url)] = Field(
        description="Address below which `chat/completions` lies; it mostly ends in `/v1`."
    )
    model: str = Field(description="Name of the model on the server.")
    options: Annotated[dict[str, Any], BeforeValidator(checked_request)] = Field(
        {},
        description="More fields of every request; null removes one: `{max_tokens: null, "
        "max_completion_tokens: 400}`.",
    )
    thinking_tokens: Count = Field(
        0,
        description="Tokens for thoughts, on top of `max_tokens`. How thinking is switched off "
        "depends on the server: by `options`.",
    )
    api_key_variable: Annotated[str, AfterValidator(_variable)] | None = Field(
        None, description="Environment variable that holds the key, if the server wants one."
    )
    concurrency: Positive = Field(8, description="Requests of a job at the same time.")
    timeout: Annotated[Finite, Field(gt=0)] = Field(
        120.0, description="Seconds per request, as a whole."
    )
    retries: Count = Field(
        6, description="Further tries of a request that fails or meets a rate limit."
    )

    @model_validator(mode="after")
    def _thoughts_are_counted(self) -> OpenAIServer:
        if self.thinking_tokens and "max_tokens" in self.options:
            raise ValueError(
                "`thinking_tokens` changes nothing where `options` replaces `max_tokens`; leave it "
                "out, and count thoughts in the limit that stands there"
            )
        return self

    @model_validator(mode="after")
    def _a_reply_is_one(self) -> OpenAIServer:
        if self.options.get("n") not in (None, 1):
            raise ValueError(
                "`n` in `options` would pay for replies that are not read; leave it "
                "out, and say `samples` where descriptions are asked for"
            )
        if self.options.get("stream"):
            raise ValueError("`stream` in `options`: replies are read as a whole; leave it out")
        return self


@dataclass(frozen=True)
class Backend:
    """What runs language models: how one is configured, and what loads it.

    Attributes:
        load: `module:function` from a key and a section to a
            `susx.prompts.language_models.LanguageModel`, imported where texts are written.
        section: of the configuration; `backend` is the name of the backend.
        reads_files: whether `model` of a section is a folder here, or one of the hub with a
            `revision`, whose content decides what is written.
        extra: of this package, that it needs.
    """

    load: str
    section: type[Section]
    reads_files: bool = False
    extra: str | None = None


BACKENDS: Registry[Backend] = Registry(
    "backend of language models",
    "susx.language_models",
    {
        "transformers": Backend(
            "susx.prompts.language_models.transformers_causal:load",
            TransformersModel,
            reads_files=True,
        ),
        "openai": Backend(
            "susx.prompts.language_models.openai_server:load", OpenAIServer, extra="llm"
        ),
    },
    lambda name, found: wrong_section(name, found, Backend, Section, "backend"),
)
"""Backends of language models by name; one entry adds one."""

LanguageModelSettings = Annotated[
    Annotated[TransformersModel | OpenAIServer, Field(discriminator="backend")],
    Registered(BACKENDS, "backend"),
]

HOW_IT_RUNS = {
    *("device", "batch_size", "threads"),
    *("api_key_variable", "concurrency", "timeout", "retries"),
}
"""Keys of a language model that say how it runs, not what it writes."""


class Descriptions(Section):
    """Sentences about every class, written by a language model (CuPL)."""

    model: str = Field(description="Language model.")
    questions: Questions = Field(
        DESCRIPTION_QUESTIONS,
        description="What is asked about a class; `{}` is its name, `{a}` its article. Wins over "
        "the questions of the dataset card.",
    )
    instruction: str = Field(
        "Answer in one sentence of plain text.", description="Follows every question."
    )
    samples: Positive = Field(10, description="Replies per question and class.")
    temperature: Annotated[Finite, Field(ge=0)] = Field(0.99, description="Of sampling.")
    top_p: Annotated[Finite, Field(gt=0, le=1)] = Field(
        1.0, description="Probability mass that tokens are sampled from."
    )
    max_tokens: Positive = Field(50, description="Longest reply.")
    seed: Count = Field(0, description="Seed of sampling.")
    chunk: Positive = Field(20, description="Classes per job.")

    @model_validator(mode="after")
    def _samples_differ(self) -> Descriptions:
        if self.temperature == 0 and self.samples > 1:
            raise ValueError("`temperature: 0` writes one reply over and over; say `samples: 1`")
        return self


class Descriptors(Descriptions):
    """Features of every class, listed by a language model (VisDesc)."""

    questions: Questions = Field(
        DESCRIPTOR_QUESTIONS,
        description="What is asked about a class; `{}` is its name, `{a}` its article.",
    )
    instruction: str = Field(
        "Answer with a list of short phrases, one per line, each after a hyphen.",
        description="Follows every question.",
    )
    samples: Positive = Field(1, description="Replies per question and class.")
    temperature: Annotated[Finite, Field(ge=0)] = Field(0.0, description="Of sampling.")
    max_tokens: Positive = Field(200, description="Longest reply.")


def _file_or_model(value: Any) -> Any:
    if not isinstance(value, str | dict | Descriptions | None):
        raise ValueError(f"a JSON file, or a mapping with `model`, not {value!r}")
    return value


def _kind(value: Any) -> str:
    return "[file]" if isinstance(value, str) else "[model]"


# Tags in brackets do not show in error messages.
DescriptionSource = Annotated[
    Annotated[FilePath, Tag("[file]")] | Annotated[Descriptions, Tag("[model]")],
    Discriminator(_kind),
    BeforeValidator(_file_or_model, json_schema_input_type=str | Descriptions),
]
DescriptorSource = Annotated[
    Annotated[FilePath, Tag("[file]")] | Annotated[Descriptors, Tag("[model]")],
    Discriminator(_kind),
    BeforeValidator(_file_or_model, json_schema_input_type=str | Descriptors),
]
