"""Atomic writing, hashing, JSON."""

import errno
import hashlib
import io
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from susx.core.errors import InputError
from susx.core.files import Patient, atomic, read_json, sha256_file, sha256_json, write_json
from tests.full_disk import at_most


def test_atomic_makes_folders_and_leaves_only_the_target(tmp_path: Path) -> None:
    target = tmp_path / "a" / "b.txt"
    with atomic(target) as temporary:
        temporary.write_text("whole")
        assert not target.exists()
        assert temporary.parent == target.parent
    assert target.read_text() == "whole"
    assert [p.name for p in target.parent.iterdir()] == ["b.txt"]


def test_atomic_writes_the_longest_names_that_a_file_can_have(tmp_path: Path) -> None:
    for name in ("a" * 255, "é" * 127):
        with atomic(tmp_path / name) as temporary:
            temporary.write_text("x", "utf-8")
        assert (tmp_path / name).read_text("utf-8") == "x"


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


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOTSUP, errno.EROFS, errno.ENOSYS])
def test_atomic_does_without_permissions_where_they_cannot_be_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(path: Path, mode: int) -> None:
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(Path, "chmod", refuse)
    with atomic(tmp_path / "b.txt") as temporary:
        temporary.write_text("x")
    assert (tmp_path / "b.txt").read_text() == "x"
    assert [p.name for p in tmp_path.iterdir()] == ["b.txt"]


WRITERS = {
    "json": "write_json(target, ['x' * 100] * 1000)",
    "manifest": "write_table(target, Table(records, 'f' * 64), ImageRecord)",
    "images": "write_images(target, [(str(i), png) for i in range(20)])",
    "cache": "write_cache(target, Embeddings(rows, labels, keys, meta))",
}
FULL_DISK = """
import io, resource, signal, sys
from pathlib import Path
import numpy as np
from PIL import Image
from susx.embeddings.cache import Embeddings, write_cache
from susx.core.errors import InputError
from susx.core.files import write_json
from susx.manifests.tables import ImageRecord, Table, write_table
from susx.support.selection import write_images

stream = io.BytesIO()
random = np.random.default_rng(0)
Image.fromarray(random.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(stream, "PNG")
png, names = stream.getvalue(), [random.bytes(32).hex() for _ in range(2000)]
records = [ImageRecord(name, name, 0, "ant", name, 1, 1) for name in names]
rows = random.normal(size=(2000, 16)).astype(np.float32)
rows /= np.linalg.norm(rows, axis=1, keepdims=True)
labels, keys, meta = np.zeros(2000, np.int32), names, {"classes_sha256": "f" * 64}
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))
for kind, write in WRITERS.items():
    target = str(Path(sys.argv[1], kind, "x." + kind))
    try:
        exec(write)
    except InputError as error:
        print(error)
"""


def test_a_file_that_the_disk_does_not_hold_is_one_message(tmp_path: Path) -> None:
    """A limit on the size of files stands in for a full disk."""
    targets = [tmp_path / kind / f"x.{kind}" for kind in WRITERS]
    for target in targets:
        target.parent.mkdir()
        target.write_text("old")
    code = f"WRITERS = {WRITERS}\n{FULL_DISK}"
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False
    )
    for target, line in zip(targets, done.stdout.splitlines(), strict=True):
        assert line.startswith(f"{target}: cannot be written (File too large); make room"), (
            done.stderr
        )
        assert target.read_text() == "old"
        assert [path.name for path in target.parent.iterdir()] == [target.name]


@pytest.mark.parametrize(
    ("name", "advice"), [("taken", "a folder lies where"), ("a" * 256, "choose a shorter name")]
)
def test_a_name_that_no_file_can_have_is_one_message(
    tmp_path: Path, name: str, advice: str
) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(InputError, match=advice), atomic(tmp_path / name) as temporary:
        temporary.write_text("x")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


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


def test_patient_file_raises_in_the_end_what_went_wrong(tmp_path: Path) -> None:
    """Whoever writes does not notice; nothing is written behind the gap."""
    with at_most(100), pytest.raises(OSError, match="File too large"):  # noqa: SIM117
        with Patient(tmp_path / "f", "w+") as stream:
            assert stream.write(b"a" * 60) == 60
            stream.check()
            assert stream.write(memoryview(b"b" * 60)) == 60
            assert stream.write(b"c") == 1
            assert stream.truncate(200) == 200
            with pytest.raises(OSError, match="File too large"):
                stream.check()
    assert stream.closed
    assert (tmp_path / "f").read_bytes() == b"a" * 60 + b"b" * 40


WRITES = st.lists(st.tuples(st.integers(0, 60), st.binary(min_size=1, max_size=30)))


@given(st.integers(0, 60), WRITES, st.integers(0, 90), st.integers(0, 90))
def test_patient_file_is_read_as_it_was_written(
    limit: int, writes: list[tuple[int, bytes]], start: int, size: int
) -> None:
    """HDF5 would take what lay in its memory for what it had written."""
    expected = io.BytesIO()
    with TemporaryDirectory() as folder, Patient(Path(folder) / "f", "w+") as stream:
        with at_most(limit):
            for place, data in writes:
                for file in (stream, expected):
                    file.seek(place)
                    assert file.write(data) == len(data)
                    assert file.tell() == place + len(data)
        known = expected.getvalue()[start : start + size]
        found = bytearray(b"?" * size)
        stream.seek(start)
        n = stream.readinto(found)
        assert found[: len(known)] == known
        assert n == (len(known) if stream.error is None else size)
        assert stream.tell() == start + n if known else True
        stream.error = None  # which would be raised


def test_patient_file_that_can_be_written_is_an_ordinary_one(tmp_path: Path) -> None:
    with Patient(tmp_path / "f", "w+") as stream:
        stream.write(b"abc")
        stream.seek(0)
        assert stream.read() == b"abc"
    assert (tmp_path / "f").read_bytes() == b"abc"
