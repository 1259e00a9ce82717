"""Damaged files are detected or harmless: never another value, never a library's traceback."""

import random
from collections import Counter
from pathlib import Path

import pytest

from susx.core.files import read_json, write_json
from tests.corruption import KINDS, Kind, damaged, mangled, trials

TRIALS = 40


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_damage_is_detected_or_harmless(kind: Kind, tmp_path: Path) -> None:
    found = Counter(trials(kind, tmp_path / "files", TRIALS))
    assert set(found) <= {"detected", "harmless"}
    assert found["detected"] >= TRIALS / 5


def test_trials_notice_a_file_without_checksum_and_a_reader_that_fails(tmp_path: Path) -> None:
    def write(folder: Path) -> Path:
        write_json(folder / "x.json", {"texts": ["a cat"] * 20})
        return folder / "x.json"

    found = Counter(trials(Kind("plain JSON", write, read_json), tmp_path / "a", TRIALS))
    assert found["wrong"] > 0
    kind = Kind("length", write, lambda path: read_json(path)["texts"])
    escaped = set(trials(kind, tmp_path / "b", 400)) - {"detected", "harmless", "wrong"}
    assert escaped == {"KeyError: 'texts'"}


@pytest.mark.parametrize("damage", [damaged, mangled])
def test_damage_is_seeded_and_mostly_changes_something(damage) -> None:
    data = bytes(range(256))
    made = [[damage(data, random.Random(seed)) for seed in range(50)] for _ in range(2)]
    assert made[0] == made[1]
    assert sum(one != data for one in made[0]) > 40
