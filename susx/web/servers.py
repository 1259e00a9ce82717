"""Requests to servers that the configuration names, whose answers are bounded in bytes and time.

Proxies of the environment are used, redirections are not followed: they could lead anywhere in the
network of this machine.
"""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any

from susx.web.guard import Limits, opener
from susx.web.pauses import asked_pause
from susx.web.refusal import RefusedResponse


class RefusedAnswer(OSError):
    """An answer that is not read; it would not be better next time."""


@dataclass(frozen=True)
class Answer:
    """What a server answers, whatever its status."""

    status: int
    headers: Mapping[str, str]
    """By their names in lower case."""
    body: bytes

    def pause(self, longest: float) -> float:
        """Seconds that the server asks to wait, at most `longest`; 0 if it asks for none."""
        return min(asked_pause(self.headers.get("retry-after")) or 0.0, longest)


class Client:
    """Sends requests; one serves many threads.

    Args:
        seconds: from the first byte of a request to the last of its answer.
        max_bytes: of an answer.
    """

    def __init__(self, seconds: float, max_bytes: int) -> None:
        self._limits = Limits(seconds, max_bytes, allow_private=True, user_agent="susx")
        self._director = opener(self._limits)
        self._director.add_handler(urllib.request.ProxyHandler())
        self._director.add_handler(_AsItIs())

    def post(self, address: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send a request and read its answer.

        Args:
            address: where to; HTTP or HTTPS.
            body: what is sent.
            headers: fields of the request.

        Raises:
            TimeoutError: if the answer is not complete in time, however much of it has come.
            RefusedAnswer: if it is too large, or packed, which was not asked for.
            ConnectionError: if there is none, or half of one.
        """
        request = urllib.request.Request(address, body, dict(headers), method="POST")  # noqa: S310
        started = time.monotonic()
        try:
            return self._answer(request)
        except RefusedResponse as error:
            raise RefusedAnswer(str(error)) from None
        except (OSError, HTTPException, ValueError) as error:
            if time.monotonic() - started >= self._limits.seconds:
                raise TimeoutError(f"no whole answer within {self._limits.seconds:g} s") from None
            cause = error.reason if isinstance(error, urllib.error.URLError) else error
            raise ConnectionError(str(cause) or type(cause).__name__) from None

    def _answer(self, request: urllib.request.Request) -> Answer:
        with self._director.open(request) as response:
            encoding = response.headers.get("Content-Encoding", "identity")
            if encoding.strip().casefold() not in ("", "identity"):
                raise RefusedResponse(f"packed by {encoding}, which was not asked for")
            fields = {name.lower(): value for name, value in response.headers.items()}
            return Answer(response.status, fields, response.read())


class _AsItIs(urllib.request.BaseHandler):
    """Hands on answers of any status."""

    handler_order = 100  # before the handlers that follow redirections and raise errors

    def http_error_default(self, request: Any, response: Any, *_: Any) -> Any:
        """Return the answer."""
        return response

    http_error_301 = http_error_302 = http_error_303 = http_error_default
    http_error_307 = http_error_308 = http_error_default
