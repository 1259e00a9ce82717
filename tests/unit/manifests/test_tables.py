"""Parquet tables of records."""

import random
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from susx.core.errors import InputError
from susx.manifests.tables import (
    AT_ONCE,
    ImageRecord,
    SupportRecord,
    Table,
    read_table,
    write_table,
)
from susx.support.retrieval import Candidate

IMAGES = [
    ImageRecord("Åland/0.png", "photos/Åland/0.png", 1, "Åland", "ab" * 32, 40, 30),
    ImageRecord("a/1.jpg", "photos/a/1.jpg", 0, 'a "b", c', "cd" * 32, 0, 0, "empty file"),
]
SUPPORT = [
    SupportRecord("00000-00000", 0, "a", 0, 0.25, "pool", "x.tar#1", "", "ab", 4, 3, True),
    SupportRecord("00000-00001", 0, "a", 1, -1 / 3, "p", "x#2", "é", "cd", 4, 3, False, "surplus"),
]  # fmt: skip
CANDIDATES = [Candidate(3, 7, 0.1 + 0.2, "00001", "k/1")]


@pytest.mark.parametrize(
    ("kind", "records"),
    [(ImageRecord, IMAGES), (SupportRecord, SUPPORT), (Candidate, CANDIDATES), (ImageRecord, [])],
)
def test_round_trip_keeps_records_hash_and_meta(tmp_path: Path, kind: type, records: list) -> None:
    table = Table(records, "f" * 64, {"n": 3, "absent": ["Åland"]})
    write_table(tmp_path / "t.parquet", table, kind)
    assert read_table(tmp_path / "t.parquet", kind, "f" * 64) == table
    assert [p.name for p in tmp_path.iterdir()] == ["t.parquet"]


def test_a_table_of_many_rows_keeps_each_text_once(tmp_path: Path) -> None:
    records = [replace(IMAGES[i % 2], width=i) for i in range(2 * AT_ONCE + 1)]
    write_table(tmp_path / "t.parquet", Table(records, "f" * 64), ImageRecord)
    read = read_table(tmp_path / "t.parquet", ImageRecord).records
    assert read == records
    assert len({id(record.sha256) for record in read}) == 2


def test_table_of_another_kind_is_refused(tmp_path: Path) -> None:
    write_table(tmp_path / "t.parquet", Table(IMAGES, "f" * 64), ImageRecord)
    with pytest.raises(InputError, match=r"t\.parquet: not a table of SupportRecord, "):
        read_table(tmp_path / "t.parquet", SupportRecord)


def test_foreign_parquet_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"key": ["a"]}), tmp_path / "t.parquet")
    with pytest.raises(InputError, match=r"t\.parquet: not a table of ImageRecord, .*; delete it"):
        read_table(tmp_path / "t.parquet", ImageRecord)


def test_table_of_another_class_list_is_refused(tmp_path: Path) -> None:
    write_table(tmp_path / "t.parquet", Table(IMAGES, "f" * 64), ImageRecord)
    match = r"t\.parquet: belongs to another class list \(ffffffffffff, expected eeeeeeeeeeee\)"
    with pytest.raises(InputError, match=match):
        read_table(tmp_path / "t.parquet", ImageRecord, "e" * 64)


def test_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"t\.parquet: file not found; run the pipeline"):
        read_table(tmp_path / "t.parquet", ImageRecord)


def many() -> Table:
    records = [replace(IMAGES[0], key=f"{i}.png", label=i % 7, width=i) for i in range(300)]
    return Table(records, "f" * 64)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_truncated_table_is_refused(tmp_path: Path, share: float) -> None:
    path = tmp_path / "t.parquet"
    write_table(path, many(), ImageRecord)
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(InputError, match=r"t\.parquet: unreadable"):
        read_table(path, ImageRecord)


def test_altered_pages_are_refused_or_harmless(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    write_table(path, many(), ImageRecord)
    data = path.read_bytes()
    footer = int.from_bytes(data[-8:-4], "little") + 8
    source = random.Random(0)
    refused = 0
    for _ in range(40):
        damaged = bytearray(data)
        damaged[source.randrange(len(data) - footer)] ^= 1 << source.randrange(8)
        path.write_bytes(damaged)
        try:
            assert read_table(path, ImageRecord).records == many().records
        except InputError:
            refused += 1
    assert refused >= 20
