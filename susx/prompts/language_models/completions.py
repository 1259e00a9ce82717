"""Chat completions as servers send them: read within bounds, and checked before they are used."""

from __future__ import annotations

from typing import Annotated

import httpx2
from pydantic import AfterValidator, BaseModel, Field, ValidationError

from susx.prompts.language_models import Reply
from susx.web.servers import Client, RefusedAnswer

LARGEST_ANSWER = 4 * 2**20
"""Bytes of an answer: 131,072 tokens, as models write at most, of five letters, all escaped."""
LONGEST_NAME = 200
"""Characters of a model's name that are kept: names of the hub have at most 96, and a path more."""
LONGEST_QUOTE = 300
"""Bytes of an answer that a message quotes: a line or two of a log."""
UNSENT = ("accept-encoding", "connection", "content-length", "host", "transfer-encoding")
"""Headers that the connection sets by itself."""
ENDED = {"", "stop", "eos", "eos_token", "end_turn", "stop_sequence", "complete", "tool_calls"}
"""How OpenAI, TGI, Anthropic and Cohere say that the model itself has ended; some say nothing."""
WITHHELD = {"content_filter", "refusal"}
"""How they say that the rest is kept from us."""
UNREAD = ("content-encoding", "content-length", "transfer-encoding", "connection")


class TooLarge(httpx2.HTTPError):
    """An answer that would not be better next time; the client does not repeat the request."""


class BoundedTransport(httpx2.BaseTransport):
    """Sends requests of the official client within limits of time and bytes."""

    def __init__(self, seconds: float) -> None:
        self._client = Client(seconds, LARGEST_ANSWER)

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request.

        Raises:
            httpx2.ReadTimeout: if it takes too long as a whole.
            httpx2.ConnectError: if there is no answer, or half of one.
            TooLarge: if the answer is too large, or packed.
        """
        headers = {name: v for name, v in request.headers.items() if name not in UNSENT}
        try:
            answer = self._client.post(str(request.url), request.read(), headers)
        except TimeoutError as error:
            raise httpx2.ReadTimeout(str(error)) from None
        except RefusedAnswer as error:
            raise TooLarge(str(error)) from None
        except ConnectionError as error:
            raise httpx2.ConnectError(str(error)) from None
        received = [(name, v) for name, v in answer.headers.items() if name not in UNREAD]
        return httpx2.Response(answer.status, headers=received, content=answer.body)


class _Part(BaseModel):
    type: str = ""
    text: str = ""


class _Message(BaseModel):
    content: str | list[_Part] | None = None
    refusal: str | None = None


def _no_failure(reason: str | None) -> str:
    end = (reason or "").casefold()
    if end == "error":
        raise ValueError("the server failed while the model wrote")
    return end


class _Choice(BaseModel):
    message: _Message
    finish_reason: Annotated[str | None, AfterValidator(_no_failure)] = None


class _Usage(BaseModel):
    prompt_tokens: Annotated[int, Field(ge=0)] | None = None
    completion_tokens: Annotated[int, Field(ge=0)] | None = None


class Completion(BaseModel):
    """The fields of a chat completion that are read; content may come in parts (Mistral)."""

    model: str | None = None
    choices: Annotated[list[_Choice], Field(min_length=1)]
    usage: _Usage | None = None

    @property
    def reply(self) -> Reply:
        """The first choice."""
        choice, usage = self.choices[0], self.usage or _Usage()
        content = choice.message.content or ""
        if not isinstance(content, str):
            content = "".join(part.text for part in content if part.type == "text")
        end, refusal = choice.finish_reason or "", choice.message.refusal or ""
        withheld = bool(refusal) or (end in WITHHELD and not content.strip())
        return Reply(
            content or refusal,
            finished=withheld or end in ENDED,
            withheld=withheld,
            question_tokens=usage.prompt_tokens or 0,
            reply_tokens=usage.completion_tokens or 0,
            writer=self.writer,
        )

    @property
    def writer(self) -> str:
        """The model that the server says has written it."""
        return (self.model or "")[:LONGEST_NAME]


def checked(response: httpx2.Response) -> None:
    """Let the client repeat a request that was answered with success, but with no completion.

    Raises:
        httpx2.DecodingError: if it is none; with the reason, and what the server said.
    """
    if not response.is_success:
        return
    if not response.read().strip():
        raise httpx2.DecodingError(f"status {response.status_code}, without a body")
    try:
        Completion.model_validate_json(response.read())
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        said = response.content[:LONGEST_QUOTE].decode("utf-8", "replace")
        raise httpx2.DecodingError(
            f"{place}: {first['msg']}; it says: {said}".removeprefix(": ")
        ) from None
