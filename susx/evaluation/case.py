"""Which row of a result: one method with its text, support set and tuning protocol."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from susx.config.supports import draw_name

Protocol = Literal["none", "fixed", "validation", "support"]


class Case(BaseModel):
    """What tells the rows of one encoder apart, evaluated or not."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: str = Field(description="Method.")
    text: str = Field(description="Prompt strategy of the text classifier.")
    support: str | None = Field(description="Support set, by its entry in config.yaml.")
    protocol: Protocol = Field(description="Where hyper-parameters come from.")
    seed: int | None = Field(
        None, description="Seed that a few-shot support set was drawn with; null of any other."
    )

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Case:
        """The case of a row of work/{dataset}/evaluation/{encoder}.json."""
        return cls(**{name: row[name] for name in Case.model_fields})

    @property
    def drawn(self) -> str | None:
        """Name of the support set itself: of a few-shot one that of the draw."""
        if self.support is None or self.seed is None:
            return self.support
        return draw_name(self.support, self.seed)

    def __str__(self) -> str:
        return f"{self.method} {self.text} {self.drawn} {self.protocol}"


def row_of(evaluation: Mapping[str, Any], case: Case) -> Mapping[str, Any] | None:
    """The row of an evaluation that a case names; None if it is not there."""
    row: Mapping[str, Any]
    for row in evaluation["runs"]:
        if Case.of(row) == case:
            return row
    return None
