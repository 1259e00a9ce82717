"""Atomic writing, hashing, JSON."""

import hashlib
import os
from pathlib import Path

import pytest

from susx.errors import InputError
from susx.files import atomic, read_json, sha256_file, sha256_json, write_json


def test_atomic_makes_folders_and_leaves_only_the_target(tmp_path: Path) -> None:
    target = tmp_path / "a" / "b.txt"
    with atomic(target) as temporary:
        temporary.write_text("whole")
        assert not target.exists()
        assert temporary.parent == target.parent
    assert target.read_text() == "whole"
    assert [p.name for p in target.parent.iterdir()] == ["b.txt"]


def test_atomic_failure_keeps_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "b.txt"
    target.write_text("old")
    with pytest.raises(RuntimeError, match="stop"), atomic(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError("stop")
    assert target.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["b.txt"]


def test_atomic_gives_the_permissions_of_an_ordinary_file(tmp_path: Path) -> None:
    mask = os.umask(0o027)
    try:
        with atomic(tmp_path / "b.txt") as temporary:
            temporary.write_text("x")
        assert (tmp_path / "b.txt").stat().st_mode & 0o777 == 0o640
        assert os.umask(0o027) == 0o027
    finally:
        os.umask(mask)


def test_sha256_of_a_file_is_that_of_its_bytes(tmp_path: Path) -> None:
    data = bytes(range(256)) * 1000
    (tmp_path / "x").write_bytes(data)
    assert sha256_file(tmp_path / "x") == hashlib.sha256(data).hexdigest()


def test_sha256_of_json_ignores_key_order_but_not_list_order() -> None:
    assert sha256_json({"a": 1, "b": "é"}) == sha256_json({"b": "é", "a": 1})
    assert sha256_json(["a", "b"]) != sha256_json(["b", "a"])
    assert sha256_json("é") == hashlib.sha256('"é"'.encode()).hexdigest()


def test_json_round_trip_keeps_order_and_letters(tmp_path: Path) -> None:
    value = {"z": ["Åland", 1.5, None], "a": {"b": True}}
    write_json(tmp_path / "x.json", value)
    assert read_json(tmp_path / "x.json") == value
    assert list(read_json(tmp_path / "x.json")) == ["z", "a"]
    assert "Åland" in (tmp_path / "x.json").read_text("utf-8")


def test_json_that_no_other_reader_takes_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "x.json", {"top1": float("nan")})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe{}", b"{'a': 1}"])
def test_broken_json_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(InputError, match=r"x\.json: not valid JSON"):
        read_json(tmp_path / "x.json")


def test_missing_json_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"x\.json: file not found"):
        read_json(tmp_path / "x.json")
