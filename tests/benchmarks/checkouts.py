"""Options of the benchmarks that compare this checkout with another one."""

import argparse
from dataclasses import dataclass
from pathlib import Path

from tests.workflow.project import REPO


@dataclass(frozen=True)
class Comparison:
    """What is measured how often.

    Attributes:
        runs: of each, of which the one with the least counts.
        earlier: checkout that this one is compared with, or None.
    """

    runs: int
    earlier: Path | None

    @property
    def checkouts(self) -> list[Path]:
        """This one, and the other."""
        return [REPO, *([self.earlier] if self.earlier else [])]


def comparison(description: str | None, runs: int) -> Comparison:
    """What the command line asks for.

    Args:
        description: of the benchmark.
        runs: if it says nothing of them.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=runs)
    parser.add_argument("--than", type=Path, help="another checkout")
    arguments = parser.parse_args()
    return Comparison(arguments.runs, arguments.than and arguments.than.resolve())
