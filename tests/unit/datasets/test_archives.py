"""Datasets in tars and in Parquet, as their mirrors have them."""

import io
import json
import tarfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from susx.config.cards import Card
from susx.config.datasets import ImageSettings
from susx.core.errors import InputError
from susx.datasets.check import SPARED, check_dataset
from susx.datasets.layouts import parquet
from susx.datasets.sources import Place, locate, split_manifest
from susx.datasets.stored import read_listed
from susx.manifests.classes import class_manifest
from susx.manifests.tables import Table
from tests.helpers import add_member, image_bytes
from tests.made.datasets import manifest_of, place_of, reasons, write_image

PETS = class_manifest(["cat", "dog"])
RED, BLUE = image_bytes((200, 30, 60), size=(8, 6)), image_bytes((30, 30, 200), size=(6, 8))


def write_tar(path: Path, members: dict[str, bytes], mode: str = "w") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, mode) as tar:
        for name, data in members.items():
            add_member(tar, name, data)


def write_parquet(
    path: Path, rows: dict[str, Any], names: list[str] | None = None, column: str = "label"
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    features = {column: {"names": names, "_type": "ClassLabel"}}
    text = json.dumps({"info": {"features": features if names else {}}})
    table = pa.table(rows).replace_schema_metadata({"huggingface": text})
    pq.write_table(table, path, row_group_size=2)


def pets(root: Path, layout: str, pattern: str, **settings: Any) -> Place:
    source = {"name": "mirror", "layout": layout, "order": "card", "splits": {"test": pattern}}
    source.update(settings)
    card = Card.model_validate({"title": "Pets", "classes": ["cat", "dog"], "sources": [source]})
    return locate(ImageSettings(root=str(root)), card, "images")


def pets_of(root: Path, layout: str, pattern: str, **settings: Any) -> Table:
    place = pets(root, layout, pattern, **settings)
    return split_manifest(place.settings("test"), PETS, "images.test")


def rows(table: Table) -> dict[str, int]:
    return {record.key: record.label for record in table.records}


def test_images_are_read_where_they_lie_in_a_tar(tmp_path: Path) -> None:
    write_tar(
        tmp_path / "test/0.tar",
        {"s0.png": RED, "s0.cls": b"1", "s1.cls": b"0\n", "s1.png": BLUE, "s1.json": b"{}"},
    )
    write_tar(tmp_path / "test/1.tar", {"./s0.webp": BLUE, "./s0.cls": b"1", "x.txt": b"no image"})
    (tmp_path / "classnames.txt").write_text("cat\ndog\n", "utf-8")
    table = pets_of(tmp_path, "webdataset", "test/*.tar")
    assert rows(table) == {"test/0/s1": 0, "test/0/s0": 1, "test/1/s0": 1}
    assert [read_listed(record) for record in table.records] == [BLUE, RED, BLUE]
    assert table.meta["source"] == "mirror"
    assert reasons(table) == {}


def test_a_tar_that_changes_does_not_pass_for_the_listed_image(tmp_path: Path) -> None:
    write_tar(tmp_path / "0.tar", {"a.png": RED, "a.cls": b"1"})
    (record,) = pets_of(tmp_path, "webdataset", "*.tar").records
    write_tar(tmp_path / "0.tar", {"b.txt": b"x" * 600, "a.png": RED, "a.cls": b"1"})
    with pytest.raises(InputError, match="changed or gone"):
        read_listed(record)
    (tmp_path / "0.tar").unlink()
    with pytest.raises(InputError, match="changed or gone"):
        read_listed(record)


@pytest.mark.parametrize(
    ("members", "problem"),
    [
        ({"a.png": RED}, r"0\.tar: a\.cls: None is no label"),
        ({"a.png": RED, "a.cls": b"cat"}, r"0\.tar: a\.cls: b'cat' is no label"),
        ({"a.png": RED, "a.cls": b"2"}, r"0\.tar: a\.cls: label 2, but there are 2 classes"),
        ({"a.png": RED, "a.cls": b"-1"}, r"0\.tar: a\.cls: label -1"),
        ({"a.png": RED, "a.cls": b"1_0"}, r"0\.tar: a\.cls: b'1_0' is no label"),
        ({"a.png": RED, "a.cls": b"0.9"}, r"0\.tar: a\.cls: b'0.9' is no label"),
        ({"a.txt": b"x"}, "no images below"),
    ],
)
def test_labels_of_a_tar_are_numbers_of_classes(
    tmp_path: Path, members: dict[str, bytes], problem: str
) -> None:
    write_tar(tmp_path / "0.tar", members)
    with pytest.raises(InputError, match=problem):
        pets_of(tmp_path, "webdataset", "*.tar")


@pytest.mark.parametrize("kind", ["compressed", "truncated", "page"])
def test_a_tar_that_cannot_be_read_in_place_is_named(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "0.tar"
    write_tar(path, {"a.png": RED, "a.cls": b"1"}, "w:gz" if kind == "compressed" else "w")
    if kind == "truncated":
        path.write_bytes(path.read_bytes()[:700])
    if kind == "page":
        path.write_bytes(b"<html>" * 200)
    with pytest.raises(InputError, match=r"0\.tar: not a readable tar"):
        pets_of(tmp_path, "webdataset", "*.tar")


@pytest.mark.parametrize("struct", [True, False])
def test_images_are_read_from_rows_of_parquet(tmp_path: Path, struct: bool) -> None:
    images: list[Any] = [RED, BLUE, RED, b"", None]
    if struct:
        images = [image and {"bytes": image, "path": "x.png"} for image in images[:3]] + [None] * 2
    labels = [1, 0, 0, 1, 1]
    write_parquet(tmp_path / "data/test-0.parquet", {"image": images, "label": labels})
    table = pets_of(tmp_path, "parquet", "data/test-*.parquet")
    assert rows(table) == {f"data/test-0/{i:07d}": label for i, label in enumerate(labels)}
    assert [read_listed(record) for record in table.records[:3]] == [RED, BLUE, RED]
    assert list(reasons(table).values()) == ["empty file"] * 2


def test_neighbouring_rows_are_decoded_from_one_reading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_parquet(tmp_path / "0.parquet", {"image": [RED, BLUE] * 5, "label": [0, 1] * 5})
    parquet._column.cache_clear()
    table = pets_of(tmp_path, "parquet", "*.parquet")
    assert parquet._column.cache_info().misses == 5
    assert [read_listed(record) for record in table.records] == [RED, BLUE] * 5


@pytest.mark.parametrize(
    "labels",
    [[1.0, 0.0], [True, False], [Decimal(1), Decimal(0)], ["dog", "cat"], [b"dog", b"cat"]],
)
def test_labels_of_parquet_are_what_they_mean(tmp_path: Path, labels: list[Any]) -> None:
    write_parquet(tmp_path / "0.parquet", {"image": [RED, BLUE], "label": labels})
    assert list(rows(pets_of(tmp_path, "parquet", "*.parquet")).values()) == [1, 0]


@pytest.mark.parametrize(
    ("rows", "names", "problem"),
    [
        ({"img": [RED], "label": [0]}, None, r'no column "image" \(has "img", "label"\)'),
        ({"image": ["iVBORw0KGgo="], "label": [0]}, None, 'column "image" holds string, not image'),
        ({"image": [[RED]], "label": [0]}, None, 'column "image" holds list<.*binary>, not image'),
        (
            {"image": [{"path": "a.png"}], "label": [0]},
            None,
            'column "image" holds struct<path: st',
        ),
        ({"image": [RED], "label": [5]}, None, "row 0: label: label 5, but there are 2 classes"),
        ({"image": [RED], "label": [None]}, None, "row 0: label: None is no label"),
        ({"image": [RED], "label": [0.9]}, None, r"row 0: label: 0\.9 is no label"),
        ({"image": [RED], "label": [Decimal("0.9")]}, None, "row 0: label: .* is no label"),
        ({"image": [RED], "label": [[1]]}, None, r"row 0: label: \[1\] is no label"),
        ({"image": [RED], "label": [0]}, ["a", "b", "c"], "tells of 3 classes, but there are 2"),
    ],
)
def test_bad_parquet_is_named(
    tmp_path: Path, rows: dict[str, Any], names: list[str] | None, problem: str
) -> None:
    write_parquet(tmp_path / "0.parquet", rows, names)
    with pytest.raises(InputError, match=rf"0\.parquet: {problem}"):
        pets_of(tmp_path, "parquet", "*.parquet")


def test_rows_with_a_path_in_place_of_bytes_say_so(tmp_path: Path) -> None:
    images = [{"bytes": RED, "path": "a.png"}, {"bytes": None, "path": "b.png"}]
    write_parquet(tmp_path / "0.parquet", {"image": images, "label": [0, 1]})
    table = pets_of(tmp_path, "parquet", "*.parquet")
    assert list(reasons(table).values()) == ["a path in place of the image's bytes"]


def test_broken_parquet_is_named(tmp_path: Path) -> None:
    (tmp_path / "0.parquet").write_bytes(b"PAR1" + b"\0" * 50)
    with pytest.raises(InputError, match=r"0\.parquet: not a readable Parquet file"):
        pets_of(tmp_path, "parquet", "*.parquet")


def test_shards_that_are_gone_are_named(tmp_path: Path) -> None:
    write_tar(tmp_path / "0.tar", {"a.png": RED, "a.cls": b"1"})
    place = pets(tmp_path, "webdataset", "*.tar")
    assert place.files("test") == [tmp_path / "0.tar"]
    (tmp_path / "0.tar").unlink()
    assert place.files("test") == []
    with pytest.raises(InputError, match=r"images\.test: no files .*\*\.tar"):
        split_manifest(place.settings("test"), PETS, "images.test")


def test_a_mirror_is_told_from_class_folders_of_the_same_name(tmp_path: Path) -> None:
    write_tar(tmp_path / "test/0.tar", {"s0.jpg": RED, "s0.cls": b"137"})
    assert place_of("country211", tmp_path).source.name == "webdataset"
    (record,) = manifest_of("country211", tmp_path).records
    assert record.class_name == "Namibia"
    write_image(tmp_path / "test/NA/1.jpg")
    assert place_of("country211", tmp_path).source.name == "countries"


def test_a_mirror_is_checked_against_its_own_counts(tmp_path: Path) -> None:
    write_tar(tmp_path / "test/0.tar", {"s0.jpg": RED, "s0.cls": b"1"})
    images, classes = {"root": str(tmp_path)}, class_manifest([str(i) for i in range(47)])
    found = check_dataset(images, "dtd", classes, "images")
    assert found.splits["test"].expected is None
    assert found.splits["test"].misnamed == {}
    assert all(problem.startswith("test: ") for problem in found.problems)
    assert (found.remarks, "train" in found.splits) == ([SPARED], False)


def test_cifar_of_the_hub_is_found_by_its_columns(tmp_path: Path) -> None:
    images = [{"bytes": RED, "path": None}]
    columns = {"img": images, "fine_label": [1], "coarse_label": [0]}
    path, names = tmp_path / "cifar100/test-00000-of-00001.parquet", ["aquarium_fish", "crab"]
    write_parquet(path, columns, names, "fine_label")
    (record,) = manifest_of("cifar100", tmp_path).records
    assert record.class_name == "crab"
    assert io.BytesIO(read_listed(record)).read(4) == b"\x89PNG"
