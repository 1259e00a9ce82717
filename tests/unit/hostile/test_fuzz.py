"""Mangled files, ours and those of others, end in an InputError or are read: nothing else escapes.

`python -m tests.benchmarks.bench_corruption --mangle` does the same at length.
"""

from pathlib import Path

import pytest

from tests.corruption import KINDS, Kind, mangled, trials
from tests.foreign_files import FOREIGN


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_mangled_files_of_the_pipeline_are_detected_or_harmless(kind: Kind, tmp_path: Path) -> None:
    assert set(trials(kind, tmp_path / "files", 25, damage=mangled)) <= {"detected", "harmless"}


@pytest.mark.parametrize("kind", FOREIGN, ids=lambda kind: kind.name)
def test_mangled_files_of_others_raise_nothing_else(kind: Kind, tmp_path: Path) -> None:
    outcomes = trials(kind, tmp_path / "files", 25, damage=mangled)
    assert set(outcomes) <= {"detected", "harmless", "wrong"}
    assert "detected" in outcomes
