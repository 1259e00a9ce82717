"""Chat models behind servers that speak OpenAI's protocol, through the official client."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from textwrap import shorten
from typing import Any

from tqdm import tqdm

from susx.config_texts import OpenAIServer
from susx.errors import InputError
from susx.language_models import Reply, Request, Sampling

try:
    import httpx2
    import openai

    from susx.language_models.completions import BoundedTransport, Completion, TooLarge, checked
except ImportError:
    raise InputError(
        "language models of backend `openai` need the package openai: pip install -e '.[llm]'"
    ) from None

KEPT = "the classes of finished jobs are kept, so run again after that"
WITHHELD = {"content_filter", "content_policy_violation"}


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

    def answer(self, requests: Sequence[Request], sampling: Sampling) -> list[Reply]:
        """Reply to every request; several are under way at the same time.

        A malformed answer among good ones is a malformed reply.

        Raises:
            InputError: if the server refuses, fails for good, or answers nothing but nonsense.
        """
        writers: set[str] = set()
        replies: list[Reply] = []
        with ThreadPoolExecutor(self._settings.concurrency) as pool:
            futures = [pool.submit(self._ask, request, sampling, writers) for request in requests]
            try:
                for future in tqdm(futures, unit=" replies"):
                    replies.append(future.result())
                    if replies[-1].malformed and not writers:
                        raise InputError(f"{self._key}: {self._nonsense()}")
            finally:
                pool.shutdown(cancel_futures=True)
        self.provenance["answered_by"] = sorted(writers)
        self.provenance["date"] = datetime.now(UTC).date().isoformat()
        return replies

    def _ask(self, request: Request, sampling: Sampling, writers: set[str]) -> Reply:
        """Return the reply, and note the model that the server says has written it."""
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
                writers.add(self._settings.model)
                return Reply("", finished=True)
            if isinstance(error.__cause__, httpx2.DecodingError):
                return Reply("", finished=True, malformed=True)
            raise InputError(f"{self._key}: {self._explained(error)}") from None
        completion = Completion.model_validate_json(answer.content)
        writers.add(completion.writer)
        return completion.reply

    def _nonsense(self) -> str:
        return (
            f"{self._settings.base_url} answers, but with no chat completion; check `base_url`, "
            "which mostly ends in /v1"
        )

    def _explained(self, error: openai.OpenAIError | TooLarge) -> str:
        """Say what is wrong and what to do, without the key, which servers like to repeat."""
        url, n = self._settings.base_url, self._settings.retries + 1
        tries = "1 try" if n == 1 else f"{n} tries"
        said = str(error)
        if isinstance(error, openai.APIStatusError):
            said = f"{error.status_code}: {error.response.text}"
        said = shorten(said.replace(self._secret or "\0", "***"), 300)
        if isinstance(error, TooLarge):
            return f"{url} sends an answer that is {said}; check `base_url`, and lower `max_tokens`"
        if isinstance(error, openai.APIStatusError) and error.response.is_redirect:
            target = shorten(error.response.headers.get("location", "nowhere"), 300)
            return f"{url} redirects to {target}; if that is right, set it as `base_url`"
        if isinstance(error, openai.APITimeoutError):
            return (
                f"no answer from {url} within {self._settings.timeout:g} s, in {tries}; "
                f"raise `timeout` or lower `concurrency`; {KEPT}"
            )
        if isinstance(error, openai.APIConnectionError):
            cause = shorten(str(error.__cause__ or said), 300)
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
