"""What jobs ask of a scheduler."""

from pathlib import Path

import pytest

from susx.planning.resources import gpus, megabytes, memory_mb, run_minutes


class Files(list[str]):
    """Input files as Snakemake gives them: some by name."""

    def __init__(self, **named: str | list[str]) -> None:
        self.named = named
        super().__init__(p for v in named.values() for p in ([v] if isinstance(v, str) else v))

    def get(self, name: str) -> str | list[str]:
        return self.named[name]


@pytest.fixture
def files() -> Files:
    """Four megabytes: one of a model, three of a pool."""
    for name, size in (("model.bin", 1), ("0.tar", 1), ("1.tar", 2)):
        Path(name).write_bytes(b"x" * size * 1_000_000)
    return Files(model="model.bin", pool=["0.tar", "1.tar"])


def test_memory_grows_with_what_is_read_and_with_every_attempt(files: Files) -> None:
    assert memory_mb(files, 1, 500) == 500
    assert memory_mb(files, 1, 500, 8) == 500 + 8 * 4
    assert memory_mb(files, 2, 500, factors={"model": 3}) == 2 * (500 + 3)
    assert memory_mb(files, 1, 500, factors={"model": 3, "pool": 0.5}) == 500 + int(3 + 1.5)
    assert memory_mb(files, 2, 500, largest={"model": 3, "pool": 4}) == 2 * (500 + 3 + 4 * 2)
    assert memory_mb(Files(pool=[]), 1, 500, largest={"pool": 4}) == 500


def test_what_is_not_there_yet_is_asked_for_again(files: Files) -> None:
    Path("1.tar").unlink()
    assert megabytes("0.tar") == 1
    with pytest.raises(FileNotFoundError):
        memory_mb(files, 1, 500, factors={"pool": 1})


def test_time_grows_with_every_attempt() -> None:
    assert [run_minutes(attempt, 30) for attempt in (1, 2, 3)] == [30, 60, 90]


def test_only_a_device_that_is_named_asks_for_a_gpu() -> None:
    assert [gpus(device) for device in ("cuda", "auto", "cpu", "mps")] == [1, 0, 0, 0]
