"""Damaged files are detected or harmless: never another value, never a library's traceback."""

from collections import Counter
from pathlib import Path

import pytest

from tests.corruption import KINDS, Kind, trials

TRIALS = 40


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_damage_is_detected_or_harmless(kind: Kind, tmp_path: Path) -> None:
    found = Counter(trials(kind, tmp_path / "files", TRIALS))
    assert set(found) <= {"detected", "harmless"}
    assert found["detected"] >= TRIALS / 2
