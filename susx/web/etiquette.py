"""What hosts ask of those who fetch from them: rests (Retry-After), robots.txt, X-Robots-Tag."""

from __future__ import annotations

import re
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from email.message import Message
from typing import TYPE_CHECKING, Final
from urllib.error import HTTPError
from urllib.parse import urlsplit

from susx.web.pauses import asked_pause
from susx.web.refusal import RefusedResponse

if TYPE_CHECKING:
    from protego import Protego

SHORTEST_REST: Final = 1.0
"""Seconds; `Retry-After` counts whole ones (RFC 9110, section 10.2.3)."""
LONGEST_BACKOFF: Final = 64.0
"""Seconds of rest of a host that does not say how long: doubled from one second up to this."""
VALUED: Final = ("max-snippet", "max-image-preview", "max-video-preview", "unavailable_after")
"""Directives of X-Robots-Tag that have a value behind a colon; other words there are agents."""
AGENT: Final = re.compile(r"[\w.-]+(?:/[\w.]+)?")
"""Names of crawlers, some with a version; the parts of a date with a time are none."""
VERSIONED: Final = re.compile(
    r"^([ \t]*user-agent[ \t]*:[ \t]*[^\s/(#]+)[/( \t][^\r\n]*", re.IGNORECASE | re.MULTILINE
)
"""A line of robots.txt that says more than the name of a crawler (RFC 9309, section 2.2.1)."""
RESTING: Final = "asks to wait"
"""Why an address was not asked for."""

Fetch = Callable[[str], str]


def crawler(user_agent: str) -> str:
    """Name by which robots.txt and X-Robots-Tag speak of a user agent: its first word."""
    return re.split(r"[/ (]", user_agent.strip())[0].casefold()


class Etiquette:
    """Remembers, for all threads of a run, what hosts asked for."""

    def __init__(
        self, user_agent: str, directives: Sequence[str], robots_txt: bool, patience: float
    ) -> None:
        self.patience = patience
        self._token = crawler(user_agent)
        self._directives = {directive.strip().casefold() for directive in directives}
        if "noindex" in self._directives:  # `none` means `noindex, nofollow`
            self._directives.add("none")
        self._robots_txt = robots_txt
        self._until: dict[str, float] = {}
        self._turns: Counter[str] = Counter()
        self._rules: dict[str, Protego | OSError] = {}
        self._locks: dict[str, threading.Lock] = defaultdict(threading.Lock)

    def check(self, url: str, fetch: Fetch) -> None:
        """See whether an address may be asked for now.

        Args:
            url: the address.
            fetch: function that returns the text of a robots.txt, or raises OSError.

        Raises:
            Refused: if its robots.txt disallows the address.
            OSError: if its host asked to wait and the time is not over, or its robots.txt cannot
                be had: then RFC 9309 allows nothing.
        """
        if self.rest(url) > 0:
            raise OSError(f"{urlsplit(url).netloc} {RESTING}")
        if not self._robots_txt:
            return
        rules = self._rules_of(url, fetch)
        if isinstance(rules, OSError):
            raise type(rules)(*rules.args)
        if not rules.can_fetch(url, self._token):
            raise RefusedResponse("disallowed by robots.txt")

    def heed(self, url: str, status: int, headers: Message) -> None:
        """Note that a host asks to wait, if it does; 503 alone may be a fault that passes."""
        wanted = headers.get("Retry-After")
        if status != 429 and not (status == 503 and wanted):
            return
        host = urlsplit(url).netloc.casefold()
        if self.rest(url) <= 0:  # what other threads were told meanwhile is the same turn
            self._turns[host] += 1
        backoff = min(2.0 ** (self._turns[host] - 1), LONGEST_BACKOFF)
        asked = asked_pause(wanted)
        rest = max(backoff if asked is None else asked, SHORTEST_REST)
        self._until[host] = max(self._until.get(host, 0.0), time.monotonic() + rest)

    def rest(self, url: str) -> float:
        """Seconds until the host of an address may be asked again; not positive if it may be."""
        return self._until.get(urlsplit(url).netloc.casefold(), 0.0) - time.monotonic()

    def asked_to_wait(self, url: str) -> bool:
        """Whether the host of an address has asked to wait in this run."""
        return urlsplit(url).netloc.casefold() in self._until

    def wait(self, urls: Iterable[str]) -> bool:
        """Wait until the first of some hosts may be asked again, as far as patience lasts."""
        rest = max(min(map(self.rest, urls), default=0.0), 0.0)
        if rest > self.patience:
            return False
        self.patience -= rest
        time.sleep(rest)
        return True

    def renew(self) -> None:
        """Forget hosts whose robots.txt could not be had: they are asked once more."""
        lost = [origin for origin, rules in self._rules.items() if isinstance(rules, OSError)]
        for origin in lost:
            del self._rules[origin]

    def disallows(self, headers: Message) -> bool:
        """Whether X-Robots-Tag forbids the use of an image."""
        values = headers.get_all("X-Robots-Tag", [])
        return any(d in self._directives for value in values for d in self._meant(value))

    def _meant(self, value: str) -> Iterable[str]:
        """Directives of a header that are meant for everyone, or for this user agent."""
        agent = ""
        for part in value.casefold().split(","):
            name, colon, rest = (word.strip() for word in part.partition(":"))
            if colon and name not in VALUED and AGENT.fullmatch(name):
                agent, name = crawler(name), rest
            if agent in ("", self._token):
                yield name

    def _rules_of(self, url: str, fetch: Fetch) -> Protego | OSError:
        parts = urlsplit(url)
        origin = f"{parts.scheme}://{parts.netloc}"
        with self._locks[origin]:
            if origin not in self._rules:
                self._rules[origin] = _robots(f"{origin}/robots.txt", fetch)
            return self._rules[origin]


def _robots(address: str, fetch: Fetch) -> Protego | OSError:
    from protego import Protego

    try:
        return Protego.parse(VERSIONED.sub(r"\1", fetch(address)))
    except HTTPError as error:
        if 400 <= error.code < 500 and error.code != 429:
            return Protego.parse("")
        return OSError(f"robots.txt: {error}")
    except Exception as error:  # HTTP fails in more ways than OSError
        reason = getattr(error, "reason", error)
        return reason if isinstance(reason, RefusedResponse) else OSError(f"robots.txt: {reason}")
