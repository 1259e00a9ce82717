"""A language model that says the same of everything."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from susx.prompts.language_models import Keep, Reply, Request, Sampling, nothing
from susx_small.section import Parrot


class Steady:
    """Says the same of whatever it is asked about, however random it should be."""

    def __init__(self, settings: Parrot) -> None:
        self._voice = settings.voice
        self.provenance: dict[str, Any] = {"backend": settings.backend, "model": "parrot"}

    def answer(
        self, requests: Sequence[Request], sampling: Sampling, keep: Keep = nothing
    ) -> list[Reply]:
        """Reply to every request, in order."""
        replies = []
        for request in requests:
            subject = request.question.partition("?")[0].rpartition(" is ")[2]
            reply = Reply(f"{self._voice} {subject} has bright colours.", finished=True)
            keep(request, reply)
            replies.append(reply)
        return replies


def load(key: str, settings: Parrot) -> Steady:
    """Load the parrot."""
    return Steady(settings)
