"""What a job asks of a scheduler: memory, time, GPUs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

PathOrPaths = str | Sequence[str]
NONE: Mapping[str, float] = {}


class Inputs(Protocol):
    """Input files of a job: all of them in order, and some of them by name."""

    def __iter__(self) -> Iterator[str]:
        """All paths."""
        ...

    def get(self, name: str) -> PathOrPaths:
        """Paths of a name."""
        ...


def memory_mb(
    input: Inputs,
    attempt: int,
    base: int,
    factor: float = 0,
    factors: Mapping[str, float] = NONE,
    largest: Mapping[str, float] = NONE,
) -> int:
    """Memory of a job in MB, by the size of its input, and more at every further attempt.

    Args:
        input: files, some of which may not be there yet.
        attempt: from 1.
        base: MB without input.
        factor: MB per MB of all input.
        factors: MB per MB of a named part of it.
        largest: MB per MB of the largest file of a named part, of which one is read at a time.

    Raises:
        FileNotFoundError: if an input that counts is not there yet, so that it is asked again.
    """
    parts: list[tuple[float, PathOrPaths]] = [(factor, list(input))] if factor else []
    parts += [(by, input.get(name)) for name, by in factors.items()]
    needed = sum(by * megabytes(files) for by, files in parts)
    for name, by in largest.items():
        needed += by * max(map(megabytes, _paths(input.get(name))), default=0)
    return attempt * (base + int(needed))


def megabytes(files: PathOrPaths) -> float:
    """Size of one file or of several.

    Raises:
        FileNotFoundError: if one is not there.
    """
    return sum(Path(path).stat().st_size for path in _paths(files)) / 1e6


def _paths(files: PathOrPaths) -> Sequence[str]:
    return [files] if isinstance(files, str) else files


def run_minutes(attempt: int, base: int) -> int:
    """Run time of a job in minutes, more at every further attempt."""
    return attempt * base


def gpus(device: str | None) -> int:
    """GPUs that a job asks for: one for `cuda`; with `auto`, what a profile says it gets."""
    return int(device == "cuda")
