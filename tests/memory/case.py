"""What a rule is measured with: jobs of two sizes, whose inputs are made."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Inputs = dict[str, str | list[str]]


@dataclass(frozen=True)
class Job:
    """What a job is given.

    Attributes:
        input: paths by name, under "" where they have none.
        params: parameters of the rule but `kept`; those that its script does not read may lack.
        wildcards: those that its memory depends on.
    """

    input: Inputs
    params: dict[str, Any] = field(default_factory=dict)
    wildcards: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """Jobs of a rule.

    Attributes:
        rule: its name.
        of: what is counted.
        sizes: of two jobs.
        use: the largest that is expected of a job in use.
        make: writes the inputs of a job of a size into an empty folder.
    """

    rule: str
    of: str
    sizes: tuple[int, int]
    use: int
    make: Callable[[Path, int], Job]

    def __str__(self) -> str:
        return f"{self.rule}, {self.of}"


def case(
    rule: str, of: str, sizes: tuple[int, int], use: int, into: list[Case]
) -> Callable[[Callable[[Path, int], Job]], Callable[[Path, int], Job]]:
    """Make a case of a function that writes inputs."""

    def add(make: Callable[[Path, int], Job]) -> Callable[[Path, int], Job]:
        into.append(Case(rule, of, sizes, use, make))
        return make

    return add
