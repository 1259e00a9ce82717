"""What planning finds missing where it is to go on in spite of that."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Gaps:
    """Problems that were met; without this, the first one ends the planning.

    Attributes:
        images: why the labelled images of a dataset were not found, by dataset.
        others: all other problems, each once.
    """

    images: dict[str, str] = field(default_factory=dict)
    others: list[str] = field(default_factory=list)

    def note(self, problem: str) -> None:
        """Note a problem, unless it is known."""
        if problem not in (*self.others, *self.images.values()):
            self.others.append(problem)
