"""Which row of a result: one method with its text, support set and protocol."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Choice:
    """A row of the result: one method with its text, support set and tuning protocol."""

    method: str
    text: str
    support: str | None
    protocol: str


@dataclass(frozen=True)
class Case:
    """One row of the result before it is run."""

    method: str
    text: str
    support: str | None
    protocol: str

    def __str__(self) -> str:
        return f"{self.method} {self.text} {self.support} {self.protocol}"
