"""Columns of Parquet files of others, as what they mean."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from susx.core.columns import values
from susx.core.errors import InputError
from susx.core.plain import LONGEST_CAPTION
from susx.manifests.classes import class_manifest
from susx.pools.shards import Shard, read_shard
from susx.pools.web import WebShard
from tests.helpers import image_bytes
from tests.searches import match_captions

CLASSES = class_manifest(["red fox"])
URL, TEXT = "http://h/1.jpg", "a red fox"
RED = image_bytes((200, 3, 6), size=(8, 6))
SCORES = ("punsafe", "NSFW")


def write(path: Path, columns: dict[str, Any]) -> str:
    pq.write_table(pa.table(columns), path)
    return str(path)


def found(path: Path, **columns: Any) -> list[tuple[str, str, str]]:
    write(path, {"url": [URL], "caption": [TEXT], **columns})
    table = match_captions(CLASSES, WebShard(str(path), metadata_columns=SCORES), "s", 5)
    return [(c.url, c.caption, c.metadata) for c in table.records]


def repeated(value: Any, kind: pa.DataType, n: int = 3) -> pa.Array:
    """A column of equal values, which is written as a dictionary of one."""
    return pa.DictionaryArray.from_arrays(pa.array([0] * n, pa.int32()), pa.array([value], kind))


TEXTS = [pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.large_binary()]


@pytest.mark.parametrize("kind", TEXTS, ids=str)
def test_texts_and_bytes_are_texts(tmp_path: Path, kind: pa.DataType) -> None:
    columns = {"url": pa.array([URL], kind), "caption": pa.array([TEXT], kind)}
    assert found(tmp_path / "0.parquet", **columns) == [(URL, TEXT, "")]


@pytest.mark.parametrize("name", ["url", "caption"])
@pytest.mark.parametrize("value", [[["x"]], [{"en": "x"}], [7], [0.5]], ids=str)
def test_what_is_no_text_is_refused_by_name(tmp_path: Path, name: str, value: list[Any]) -> None:
    problem = rf'0\.parquet: column "{name}" holds .*, not text; set url_column or caption_column'
    with pytest.raises(InputError, match=problem):
        found(tmp_path / "0.parquet", **{name: value})


@pytest.mark.parametrize("name", ["url", "caption", "punsafe"])
def test_of_two_columns_of_one_name_neither_is_taken(tmp_path: Path, name: str) -> None:
    path = str(tmp_path / "0.parquet")
    names = ["url", "caption", "punsafe", "other", "other", name]
    pq.write_table(pa.table([pa.array([TEXT])] * 6, names=names), path)
    with pytest.raises(InputError, match=rf'0\.parquet: several columns are called "{name}"; re'):
        match_captions(CLASSES, WebShard(path, metadata_columns=SCORES), "s", 5)


@pytest.mark.parametrize("name", ["image", "caption", "key"])
def test_of_two_columns_beside_images_neither_is_taken(tmp_path: Path, name: str) -> None:
    path = str(tmp_path / "0.parquet")
    names = ["image", "caption", "key", name]
    pq.write_table(pa.table([pa.array([RED])] * 4, names=names), path)
    with pytest.raises(InputError, match=rf'0\.parquet: several columns are called "{name}"; re'):
        list(read_shard(Shard("parquet", path)))


def test_lists_of_scores_are_refused_by_name(tmp_path: Path) -> None:
    problem = r'column "punsafe" holds list<.*>, neither text nor number; .*metadata_columns'
    with pytest.raises(InputError, match=problem):
        found(tmp_path / "0.parquet", punsafe=[[0.9]])


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ([0.75], 0.75),
        (["0.75"], "0.75"),
        ([b"0.75"], "0.75"),
        ([Decimal("0.75")], 0.75),
        ([True], True),
        (pa.array([0.75], pa.float16()), 0.75),
    ],
    ids=str,
)
def test_scores_are_numbers_flags_or_texts(tmp_path: Path, value: Any, read: Any) -> None:
    ((_, _, metadata),) = found(tmp_path / "0.parquet", punsafe=value)
    assert json.loads(metadata) == {"punsafe": read}


def test_rows_without_caption_or_address_are_counted(tmp_path: Path) -> None:
    urls = [URL, None, " ", "http://h/" + "x" * LONGEST_CAPTION, URL]
    path = write(tmp_path / "0.parquet", {"url": urls, "caption": [TEXT] * 4 + [None]})
    table = match_captions(CLASSES, WebShard(path), "s", 5)
    assert [c.key for c in table.records] == ["000000000"]
    assert table.meta["rows"] == {"searched": 1, "no address": 3, "no caption": 1}


@pytest.mark.parametrize("kind", [kind for kind in TEXTS if kind != pa.string_view()], ids=str)
def test_a_long_text_of_many_rows_is_made_once_and_cut(kind: pa.DataType) -> None:
    texts = values(repeated("é" * 50_000, kind))
    assert texts == ["é" * (LONGEST_CAPTION + 1)] * 3
    assert texts[0] is texts[2]


def test_one_long_caption_of_many_rows_takes_no_memory_per_row(tmp_path: Path) -> None:
    n, long = 200_000, TEXT + " " + "x" * 500_000  # 100 GB, were every row to hold its own
    columns = {"url": repeated(URL, pa.string(), n), "caption": repeated(long, pa.string(), n)}
    path = write(tmp_path / "0.parquet", columns)
    table = match_captions(CLASSES, WebShard(path), "s", 2)
    assert [(c.key, len(c.caption)) for c in table.records] == [
        ("000000000", LONGEST_CAPTION),
        ("000000001", LONGEST_CAPTION),
    ]


def test_text_that_is_no_utf_8_is_named_and_bytes_may_be_any(tmp_path: Path) -> None:
    bad = pa.array([b"a red fox \xe9"])
    assert found(tmp_path / "0.parquet", caption=bad)[0][1] == "a red fox \ufffd"
    with pytest.raises(InputError, match=r"0\.parquet: not a readable Parquet file"):
        found(tmp_path / "0.parquet", caption=pa.StringArray.from_buffers(1, *bad.buffers()[1:]))


@pytest.mark.parametrize("caption", [[b"a fox"], ["a fox"]], ids=str)
def test_a_pool_of_images_reads_texts_alike(tmp_path: Path, caption: Any) -> None:
    columns = {"image": [RED], "caption": caption, "key": [b"k"], "punsafe": [Decimal("0.9")]}
    shard = Shard("parquet", write(tmp_path / "0.parquet", columns), metadata_columns=SCORES)
    (sample,) = read_shard(shard)
    assert (sample.key, sample.image, sample.caption) == ("k", RED, "a fox")
    assert json.loads(sample.metadata or "") == {"punsafe": 0.9}


def test_a_pool_of_images_refuses_captions_that_are_lists(tmp_path: Path) -> None:
    path = write(tmp_path / "0.parquet", {"image": [RED], "caption": [["a", "b"]]})
    with pytest.raises(InputError, match=r'column "caption" holds list.*; set caption_column of'):
        list(read_shard(Shard("parquet", path)))
