"""Base of all sections of config.yaml, and the types that several of them use."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)

from susx.config.secrets import checked_texts

T = TypeVar("T")
VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)\})")


def _with_placeholder(template: str) -> str:
    if template.count("{}") != 1:
        raise ValueError(
            f'template "{template}" must contain {{}} exactly once, for the class name'
        )
    return template


def repeats(names: Iterable[T]) -> list[T]:
    """What stands more than once, in the order of first places."""
    return [name for name, count in Counter(names).items() if count > 1]


def _without_repeats(names: list[T]) -> list[T]:
    if repeated := repeats(names):
        raise ValueError(f'"{repeated[0]}" is listed twice; remove one')
    return names


def expanded_path(path: str) -> str:
    """A path with the home folder and variables of the environment in it; addresses stay.

    Raises:
        ValueError: if it is empty, or there is no such home folder or variable.
    """
    if not path.strip():
        raise ValueError("is empty; name a file or folder, or leave the key out")
    if "://" in path:
        return path
    try:
        home = Path(path).expanduser() if path.startswith("~") else path
    except RuntimeError:
        raise ValueError(
            f'"{path}": this computer knows no home folder of {path.partition("/")[0]}'
        ) from None
    found = os.path.expandvars(home)
    unknown = VARIABLE.search(found)
    if unknown and not Path(found).exists():
        raise ValueError(f'"{path}": the environment has no variable {unknown[1] or unknown[2]}')
    return found


WithoutRepeats = AfterValidator(_without_repeats)
Slug = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9+_.-]*$")]
FilePath = Annotated[str, AfterValidator(expanded_path)]
"""A path; `~` and `$NAME` in it are expanded."""
Template = Annotated[str, AfterValidator(_with_placeholder)]
Positive = Annotated[int, Field(gt=0)]
Count = Annotated[int, Field(ge=0)]
MOST_STEPS = 10_000
"""Values of a grid's axis: 50 times the longest published one, and listed at once."""
Finite = Annotated[float, Field(allow_inf_nan=False)]
DistinctNames = Annotated[list[str], WithoutRepeats]


class Section(BaseModel):
    """Base of all sections: unknown keys are errors, values are never coerced.

    Keys, and addresses that tell a user, a password or a query, are refused wherever they stand.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    @field_validator("*")
    @classmethod
    def _texts(cls, value: Any) -> Any:
        return checked_texts(value)


class AxisSettings(Section):
    """An arithmetic grid: `start`, `start + (stop - start) / steps`, ... (`steps` values)."""

    start: Finite = Field(description="First value.")
    stop: Finite = Field(description="Exclusive end, as in the published grids.")
    steps: Positive = Field(description="Number of values.", le=MOST_STEPS)

    @model_validator(mode="after")
    def _rises(self) -> AxisSettings:
        if self.stop <= self.start:
            raise ValueError("`stop` must be greater than `start`")
        return self
