"""Chat models behind servers that speak OpenAI's protocol, through the official client."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from textwrap import shorten
from threading import Event
from typing import Any

from tqdm import tqdm

from susx.config.texts import OpenAIServer
from susx.core.errors import InputError
from susx.prompts.language_models import Keep, Reply, Request, Sampling, nothing

try:
    import httpx2
    import openai

    from susx.prompts.language_models.completions import (
        BoundedTransport,
        Completion,
        TooLarge,
        checked,
    )
except ImportError:
    raise InputError(
        "language models of backend `openai` need the package openai: pip install 'susx[llm]'"
    ) from None

LOG = logging.getLogger(__name__)
KEPT = "all replies so far are kept, so run again after that"
WITHHELD = {"content_filter", "content_policy_violation"}
LONGEST_QUOTE = 300
"""Characters of what a server says: enough for its reason, and a line or two of a log."""
NONSENSE = 3
"""Malformed replies, each asked for until `retries` end, after which no good one is expected: the
address is no chat server's. Fewer may be a fault that passes."""


class Server:
    """The chat completions of one model on one server."""

    def __init__(self, key: str, settings: OpenAIServer, secret: str | None) -> None:
        self.provenance: dict[str, Any] = {
            "backend": settings.backend,
            "model": settings.model,
            "base_url": settings.base_url,
            "options": settings.options,
        }
        self._key = key
        self._settings = settings
        self._secret = secret
        # The client insists on a key; servers that want none ignore it.
        self._client = openai.OpenAI(
            base_url=settings.base_url,
            api_key=secret or "none",
            timeout=settings.timeout,
            max_retries=settings.retries,
            http_client=httpx2.Client(
                transport=BoundedTransport(settings.timeout),
                follow_redirects=False,
                event_hooks={"response": [checked]},
            ),
        )
        logging.getLogger("httpx2").setLevel(logging.WARNING)

    def answer(
        self, requests: Sequence[Request], sampling: Sampling, keep: Keep = nothing
    ) -> list[Reply]:
        """Reply to every request; several are under way at the same time.

        A malformed answer among good ones is a malformed reply. When a request fails, those that
        are under way are still answered and kept.

        Raises:
            InputError: if the server refuses, fails for good, or answers nothing but nonsense.
        """

        made_sense = Event()

        def ask(request: Request) -> Reply:
            reply = self._ask(request, sampling)
            keep(request, reply)
            if not reply.malformed:
                made_sense.set()
            return reply

        replies: list[Reply] = []
        with ThreadPoolExecutor(self._settings.concurrency) as pool:
            futures = [pool.submit(ask, request) for request in requests]
            try:
                for future in tqdm(futures, unit=" replies"):
                    replies.append(future.result())
                    if len(replies) >= min(NONSENSE, len(requests)) and not made_sense.is_set():
                        raise InputError(f"{self._key}: {self._nonsense(replies[0].text)}")
            finally:
                pool.shutdown(cancel_futures=True)
        if odd := [reply.text for reply in replies if reply.malformed]:
            LOG.warning(
                "%d of %d answers are no chat completion; the first: %s",
                len(odd), len(replies), odd[0],
            )  # fmt: skip
        self.provenance["answered_by"] = sorted({r.writer for r in replies if not r.malformed})
        self.provenance["date"] = datetime.now(UTC).date().isoformat()
        return replies

    def _nonsense(self, said: str) -> str:
        return (
            f"{self._settings.base_url} answers, but with no chat completion ({said}); check "
            "`base_url`, which mostly ends in /v1"
        )

    def _ask(self, request: Request, sampling: Sampling) -> Reply:
        body: dict[str, Any] = {
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "max_tokens": sampling.max_tokens + self._settings.thinking_tokens,
            "seed": request.seed,
            **self._settings.options,
        }
        try:
            answer = self._client.chat.completions.with_raw_response.create(
                model=self._settings.model,
                messages=[{"role": "user", "content": request.question}],
                extra_body={name: value for name, value in body.items() if value is not None},
            )
        except (openai.OpenAIError, TooLarge) as error:
            if isinstance(error, openai.BadRequestError) and error.code in WITHHELD:
                return Reply("", finished=True, writer=self._settings.model, withheld=True)
            if isinstance(error.__cause__, httpx2.DecodingError):
                return Reply(self._quoted(str(error.__cause__)), finished=True, malformed=True)
            raise InputError(f"{self._key}: {self._explained(error)}") from None
        return Completion.model_validate_json(answer.content).reply

    def _quoted(self, said: str) -> str:
        """Words of the server without the key, which servers like to repeat."""
        return shorten(said.replace(self._secret or "\0", "***"), LONGEST_QUOTE)

    def _explained(self, error: openai.OpenAIError | TooLarge) -> str:
        """Say what is wrong and what to do."""
        url, n = self._settings.base_url, self._settings.retries + 1
        tries = "1 try" if n == 1 else f"{n} tries"
        said = str(error)
        if isinstance(error, openai.APIStatusError):
            said = f"{error.status_code}: {error.response.text}"
        said = self._quoted(said)
        if isinstance(error, TooLarge):
            return f"{url} sends an answer that is {said}; check `base_url`, and lower `max_tokens`"
        if isinstance(error, openai.APIStatusError) and error.response.is_redirect:
            target = self._quoted(error.response.headers.get("location", "nowhere"))
            return f"{url} redirects to {target}; if that is right, set it as `base_url`"
        if isinstance(error, openai.APITimeoutError):
            return (
                f"no answer from {url} within {self._settings.timeout:g} s, in {tries}; "
                f"raise `timeout` or lower `concurrency`; {KEPT}"
            )
        if isinstance(error, openai.APIConnectionError):
            cause = self._quoted(str(error.__cause__ or said))
            return (
                f"no usable answer from {url} in {tries} ({cause}); start the server, or "
                f"correct `base_url`; {KEPT}"
            )
        if isinstance(error, openai.AuthenticationError | openai.PermissionDeniedError):
            variable = self._settings.api_key_variable
            key = f"check the key in ${variable}" if variable else "set `api_key_variable`"
            return f"{url} refuses the key ({said}); {key}"
        if isinstance(error, openai.RateLimitError):
            return (
                f"{url} limits the rate ({said}); wait, lower `concurrency`, or raise `retries`; "
                f"{KEPT}"
            )
        if isinstance(error, openai.NotFoundError):
            return f"{url} knows no such address or model ({said}); check `base_url` and `model`"
        if isinstance(error, openai.InternalServerError):
            return f"{url} fails in {tries} ({said}); see the server's log; {KEPT}"
        return f"{url} refuses the request ({said}); `options` adds and removes fields of requests"


def load(key: str, settings: OpenAIServer) -> Server:
    """Make the client; its key comes from the environment and goes nowhere else.

    Raises:
        InputError: if the environment lacks the key.
    """
    variable = settings.api_key_variable
    secret = os.environ.get(variable, "").strip() if variable else None
    if variable and not secret:
        raise InputError(
            f"{key}.api_key_variable: the environment variable {variable} is not set; set it to "
            "the key, or leave `api_key_variable` out if the server wants none"
        )
    if secret and not (secret.isascii() and secret.isprintable()):
        raise InputError(f"{key}.api_key_variable: the value of {variable} is no key; set it again")
    return Server(key, settings, secret)
