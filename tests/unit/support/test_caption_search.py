"""Class names in captions."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from susx.core.errors import InputError
from susx.manifests.classes import class_manifest
from susx.pools.web import WebShard
from susx.support.captions import NameFinder
from tests.searches import match_captions

CLASSES = class_manifest(
    [
        {"name": "tiger", "aliases": ["big cat"]},
        "tiger shark",
        {"name": "cat", "aliases": ["puss", "tiger"]},
        "Maine_Coon",
        "fox",
        {"name": "café", "aliases": ["big cat"]},
        "bakery",
    ]
)


@pytest.mark.parametrize(
    ("caption", "names"),
    [
        ("a tiger.", ["tiger"]),
        ("TIGERS in the zoo", ["tiger"]),
        ("a tiger shark", ["tiger shark"]),
        ("tiger sharks, and a tiger", ["tiger shark", "tiger"]),
        ("tiger sharky", ["tiger"]),
        ("bobcat, category, cats-eye", ["cat"]),
        ("bobcat in a category", []),
        ("my puss", ["cat"]),
        ("a big cat", ["cat"]),  # the alias has two owners
        ("maine-coon / Maine  Coons", ["Maine_Coon"]),
        ("two foxes", ["fox"]),
        ("bakeries", ["bakery"]),
        ("CAFE\u0301 au lait", ["café"]),
        ("foxy", []),
        ("", []),
    ],
)
def test_names_are_found_as_words(caption: str, names: list[str]) -> None:
    found = NameFinder(CLASSES).find(caption)
    assert sorted(CLASSES.names[label] for label in found) == sorted(names)


@pytest.mark.parametrize(
    ("name", "caption"),
    [
        ("mouse", "three blind mice"),
        ("gray wolf", "Gray Wolves at night"),
        ("goose", "geese"),
        ("cactus", "cacti"),
        ("cactus", "cactuses"),
        ("person", "people"),
        ("chef", "chefs"),
        ("bird of paradise", "birds of paradise"),
        ("café", "a cafe in Paris"),
        ("cafe", "un cafe\u0301"),
        ("café", "CAFÉS"),
        ("crème brûlée", "creme brulee"),
        ("犬", "黒い犬が走る"),
        ("大熊猫", "一只大熊猫在吃竹子"),
        ("แมว", "รูปแมวสีดำ"),
        ("カメラ", "黒いカメラです"),
        ("カメラ", "iPhoneカメラ"),
        ("고양이", "검은 고양이가 있다"),
    ],
)
def test_other_forms_of_a_name_are_found(name: str, caption: str) -> None:
    assert list(NameFinder(class_manifest([name])).find(caption)) == [0]


@pytest.mark.parametrize(
    ("name", "caption"),
    [
        ("mine", "ours"),  # the plural of a pronoun
        ("タイ", "ネクタイ"),  # Thailand in a necktie
        ("고양이", "길고양이"),
        ("か", "が"),
        ("犬", "犭"),
        ("737", "7370"),
        ("cat", "cattle"),
    ],
)
def test_other_words_are_not_found(name: str, caption: str) -> None:
    assert NameFinder(class_manifest([name])).find(caption) == {}


def test_the_longer_name_wins_without_word_boundaries() -> None:
    assert list(NameFinder(class_manifest(["熊", "熊猫"])).find("大熊猫和熊")) == [1, 0]


def test_captions_about_one_thing_score_higher() -> None:
    find = NameFinder(CLASSES).find
    assert find("cat") == {2: 1.0}
    assert find("a cat") == {2: 3 / 5}
    assert find("cat fox") == {2: 3 / 14, 4: 3 / 14}


def write(path: Path, **columns: list[object]) -> WebShard:
    pq.write_table(pa.table(columns), path)
    return WebShard(str(path), metadata_columns=["similarity", "absent"])


def test_best_captions_of_every_class_are_kept(tmp_path: Path) -> None:
    captions = ["a cat", "cat", "one more cat", None, "fox", "cat", "cat", "a dog"]
    shard = write(
        tmp_path / "0.parquet",
        url=[f"http://h/{i}" for i in range(6)] + [None, "http://h/7"],
        caption=captions,
        similarity=[0.25] * 8,
    )
    table = match_captions(CLASSES, shard, "s", 3)
    found = [(c.label, c.key, round(c.score, 2), c.url, c.caption) for c in table.records]
    assert found == [
        (2, "000000001", 1.0, "http://h/1", "cat"),
        (2, "000000005", 1.0, "http://h/5", "cat"),
        (2, "000000000", 0.6, "http://h/0", "a cat"),
        (4, "000000004", 1.0, "http://h/4", "fox"),
    ]
    assert {c.metadata for c in table.records} == {'{"similarity": 0.25}'}


def test_garbled_captions_are_counted(tmp_path: Path) -> None:
    captions = [b"a cat", "un café".encode("latin-1"), "cat".encode("utf-16-le"), None]
    shard = write(tmp_path / "0.parquet", url=[f"http://h/{i}" for i in range(4)], caption=captions)
    assert match_captions(CLASSES, shard, "s", 3).meta["rows"] == {
        "searched": 1,
        "searched, though their caption is garbled": 2,
        "no caption": 1,
    }


def test_addresses_that_are_no_utf_8_are_left_out_and_counted(tmp_path: Path) -> None:
    urls = [b"http://h/caf\xe9", b"http://h/1"]
    shard = write(tmp_path / "0.parquet", url=urls, caption=["cat", "cat"])
    table = match_captions(CLASSES, shard, "s", 3)
    assert table.meta["rows"] == {"searched": 1, "no address": 1}
    assert [candidate.url for candidate in table.records] == ["http://h/1"]


@pytest.mark.parametrize("missing", ["url", "caption"])
def test_a_missing_column_is_named(tmp_path: Path, missing: str) -> None:
    columns = {"url": ["http://h/1"], "caption": ["a cat"]}
    columns["other"] = columns.pop(missing)
    shard = write(tmp_path / "0.parquet", **columns)
    match = rf'0\.parquet: no column "{missing}" \(has .*\); set url_column or caption_column'
    with pytest.raises(InputError, match=match):
        match_captions(CLASSES, shard, "s", 3)


def test_nested_names_of_a_long_caption_are_found_in_linear_time() -> None:
    """Comparing all pairs of 3,300 hits took seconds."""
    finder = NameFinder(class_manifest(["a", "a a", "b"]))
    assert finder.find("a a b " * 10_000) == {1: 3 / (2 * 9_999), 2: 1 / (2 * 9_999)}


def test_names_without_boundaries_are_found_in_linear_time() -> None:
    finder = NameFinder(class_manifest(["犬", "犬犬"]))
    assert finder.find("犬犬" * 5_000) == {1: 2 / 10_000}


def test_captions_are_searched_to_the_length_that_is_kept() -> None:
    assert NameFinder(CLASSES).find("x " * 6_000 + "tiger") == {}


@pytest.mark.parametrize(
    ("one", "other", "caption"),
    [
        ("glass", "glasses", "a pair of glasses"),
        ("sunglass", "sunglasses", "man in sunglasses"),
        ("new", "news", "the news today"),
    ],
)
def test_a_plural_that_names_another_class_is_its_own(one: str, other: str, caption: str) -> None:
    finder = NameFinder(class_manifest([one, other]))
    assert list(finder.find(caption)) == [1]
    assert list(finder.find(f"a {one}")) == [0]
    assert list(NameFinder(class_manifest([one])).find(caption)) == [0]
