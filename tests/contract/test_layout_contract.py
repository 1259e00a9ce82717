"""What every registered layout of datasets promises."""

import csv
import json
import pickle
import tarfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from susx.config.cards import Card, load_card
from susx.config.datasets import ImageSettings
from susx.config.sources import LAYOUTS, Split
from susx.core.errors import InputError
from susx.datasets.sources import Place, list_split, locate, split_manifest
from susx.datasets.stored import read_listed, stored_bytes
from susx.images.decode import decode
from susx.manifests.classes import ClassManifest, class_manifest
from tests.contract.cases import LayoutCase, added
from tests.helpers import add_member, colour_of, image_bytes
from tests.made.ilsvrc import KIT, val_name, write_kit, write_solution, write_tar

Rows = Sequence[tuple[str, bytes]]
Splits = Mapping[Split, Rows]
NAMES = ["zebra", "ant", "moth"]  # label order is not alphabetical order
KEYS: dict[Split, str] = {"train": "train", "validation": "val", "test": "test"}


def image_files(folder: Path, split: str, rows: Rows) -> list[str]:
    """Write images, and return their paths below the folder."""
    names = [f"{split}-{number}.png" for number in range(len(rows))]
    for name, (_, image) in zip(names, rows, strict=True):
        (folder / name).write_bytes(image)
    return names


def class_folders(folder: Path, splits: Splits) -> dict[str, Any]:
    for split, rows in splits.items():
        for number, (name, image) in enumerate(rows):
            (folder / split / name).mkdir(parents=True, exist_ok=True)
            (folder / split / name / f"{number}.png").write_bytes(image)
    return {"splits": {split: split for split in splits}}


def coop_json(folder: Path, splits: Splits) -> dict[str, Any]:
    data: dict[str, Any] = {key: [] for key in KEYS.values()}
    for split, rows in splits.items():
        files = image_files(folder, split, rows)
        data[KEYS[split]] = [
            [file, NAMES.index(name), name] for file, (name, _) in zip(files, rows, strict=True)
        ]
    (folder / "split.json").write_text(json.dumps(data), "utf-8")
    return {"file": "split.json"}


def fgvc_lists(folder: Path, splits: Splits) -> dict[str, Any]:
    for split, rows in splits.items():
        files = image_files(folder, split, rows)
        lines = [
            f"{f.removesuffix('.png')} {name}" for f, (name, _) in zip(files, rows, strict=True)
        ]
        (folder / f"{split}.txt").write_text("\n".join(lines), "utf-8")
    return {"splits": {split: f"{split}.txt" for split in splits}, "images": ".", "suffix": ".png"}


def cub_lists(folder: Path, splits: Splits) -> dict[str, Any]:
    paths, numbers = [], []
    for split, rows in splits.items():
        for name, image in rows:
            path = f"{name}/{len(paths)}.png"
            (folder / name).mkdir(exist_ok=True)
            (folder / path).write_bytes(image)
            numbers.append(f"{len(paths) + 1} {KEYS[split]}")
            paths.append(f"{len(paths) + 1} {path}")
    (folder / "images.txt").write_text("\n".join(paths), "utf-8")
    (folder / "train_test_split.txt").write_text("\n".join(reversed(numbers)), "utf-8")
    return {"splits": {split: KEYS[split] for split in splits}, "images": "."}


def csv_lists(folder: Path, splits: Splits) -> dict[str, Any]:
    for split, rows in splits.items():
        files = image_files(folder, split, rows)
        with (folder / f"{split}.csv").open("w", newline="") as stream:
            lines = csv.writer(stream)
            lines.writerow(["path", "label"])
            lines.writerows((file, name) for file, (name, _) in zip(files, rows, strict=True))
    return {"splits": {split: f"{split}.csv" for split in splits}}


def cifar(folder: Path, splits: Splits) -> dict[str, Any]:
    for split, rows in splits.items():
        pixels = [np.asarray(decode(image)).transpose(2, 0, 1).reshape(-1) for _, image in rows]
        labels = [NAMES.index(name) for name, _ in rows]
        batch = {b"labels": labels, b"data": np.stack(pixels)}
        (folder / split).write_bytes(pickle.dumps(batch, protocol=2))
    (folder / "meta").write_bytes(pickle.dumps({b"label_names": NAMES}, protocol=2))
    return {"splits": {split: [split] for split in splits}, "meta": "meta"}


def webdataset(folder: Path, splits: Splits) -> dict[str, Any]:
    for split, rows in splits.items():
        with tarfile.open(folder / f"{split}-0.tar", "w") as tar:
            for number, (name, image) in enumerate(rows):
                add_member(tar, f"{number}.png", image)
                add_member(tar, f"{number}.cls", str(NAMES.index(name)).encode())
    (folder / "classnames.txt").write_text("\n".join(NAMES), "utf-8")
    return {"splits": {split: f"{split}-*.tar" for split in splits}}


def parquet(folder: Path, splits: Splits) -> dict[str, Any]:
    for split, rows in splits.items():
        labels = [NAMES.index(name) for name, _ in rows]
        columns = {"image": [image for _, image in rows], "label": labels}
        text = json.dumps({"info": {"features": {"label": {"names": NAMES}}}})
        table = pa.table(columns).replace_schema_metadata({"huggingface": text})
        pq.write_table(table, folder / f"{split}-0.parquet")
    return {"splits": {split: f"{split}-*.parquet" for split in splits}}


def ilsvrc(folder: Path, splits: Splits) -> dict[str, Any]:
    """Training images in folders of classes, a folder of images with a list, a tar with the kit."""
    class_folders(folder, {"train": splits["train"]})
    truth: dict[Split, list[str]] = {split: [name for name, _ in splits[split]] for split in splits}
    images: dict[Split, dict[str, bytes]] = {
        split: {val_name(i): image for i, (_, image) in enumerate(rows, start=1)}
        for split, rows in splits.items()
    }
    (folder / "flat").mkdir()
    for name, image in images["validation"].items():
        (folder / "flat" / name).write_bytes(image)
    write_solution(folder / "solution.csv", truth["validation"])
    write_tar(folder / "test.tar", images["test"])
    write_kit(folder, NAMES, truth["test"])
    return {
        "splits": {"train": ["train"], "validation": ["val", "flat"], "test": ["test.tar"]},
        "truth": {"validation": ["solution.csv"], "test": [KIT]},
    }


CASES = {
    "class-folders": LayoutCase(class_folders),
    "coop-json": LayoutCase(coop_json),
    "fgvc-lists": LayoutCase(fgvc_lists),
    "cub-lists": LayoutCase(cub_lists),
    "cifar": LayoutCase(cifar),
    "csv": LayoutCase(csv_lists),
    "webdataset": LayoutCase(webdataset),
    "parquet": LayoutCase(parquet),
    "ilsvrc": LayoutCase(ilsvrc),
} | added("layout", LayoutCase)


def images_of(split: int) -> list[tuple[str, bytes]]:
    """Seven images in mixed order of classes, no two alike, and none like another split's."""
    order = [2, 0, 1, 0, 2, 1, 0]
    return [
        (NAMES[label], image_bytes(colour_of(label, 3), (32, 32), seed=100 * split + number))
        for number, label in enumerate(order)
    ]


SPLITS: dict[Split, list[tuple[str, bytes]]] = {
    split: images_of(number) for number, split in enumerate(KEYS)
}


@pytest.fixture(params=list(CASES))
def layout(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def said(layout: str, tmp_path: Path) -> dict[str, Any]:
    """What a card says of a dataset that lies there."""
    return {"name": "own", "layout": layout, **CASES[layout].write(tmp_path, SPLITS)}


def place_of(root: Path, said: dict[str, Any], names: Sequence[str] = NAMES) -> Place:
    card = Card.model_validate({"title": "Animals", "classes": [*names], "sources": [said]})
    return locate(ImageSettings(root=str(root)), card, "images")


def through_json(place: Place, split: Split) -> dict[str, Any]:
    """Settings of a place as a job gets them."""
    settings: dict[str, Any] = json.loads(json.dumps(place.settings(split)))
    return settings


def pixels(data: bytes) -> bytes:
    return decode(data).tobytes()


def labelled(place: Place, split: Split, classes: ClassManifest) -> Counter[tuple[str, bytes]]:
    """Class name and pixels of every image of a split."""
    found = list_split(through_json(place, split), classes, f"images.{split}")
    named = ((classes.names[i.label], pixels(stored_bytes(i.path))) for i in found.images)
    return Counter(named)


def test_every_layout_is_held_to_the_contract() -> None:
    assert set(CASES) == set(LAYOUTS)


def test_images_of_every_split_are_listed_with_their_classes(
    tmp_path: Path, said: dict[str, Any]
) -> None:
    place, classes = place_of(tmp_path, said), class_manifest(NAMES)
    assert place.splits == ["train", "validation", "test"]
    for split, rows in SPLITS.items():
        expected = Counter((name, pixels(image)) for name, image in rows)
        assert labelled(place, split, classes) == expected


def test_images_come_in_one_order_each_with_a_key_of_its_own(
    tmp_path: Path, said: dict[str, Any]
) -> None:
    place, classes = place_of(tmp_path, said), class_manifest(NAMES)
    listings = [list_split(through_json(place, "test"), classes, "images") for _ in range(2)]
    assert listings[0] == listings[1]
    keys = [image.key for image in listings[0].images]
    assert len(set(keys)) == len(keys) == 7
    assert listings[0].meta["source"] == "own"
    assert not any(value for key, value in listings[0].meta.items() if "without" in key)


def test_labels_follow_names_and_not_positions(tmp_path: Path, said: dict[str, Any]) -> None:
    place, names = place_of(tmp_path, said), [*reversed(NAMES), "wasp"]
    if said["layout"] == "coop-json":  # labels and names stand side by side, and must agree
        with pytest.raises(InputError, match="label"):
            labelled(place, "test", class_manifest(names))
        return
    expected = Counter((name, pixels(image)) for name, image in SPLITS["test"])
    assert labelled(place, "test", class_manifest(names)) == expected


def test_a_name_of_no_class_is_refused(tmp_path: Path, said: dict[str, Any]) -> None:
    place = place_of(tmp_path, said)
    with pytest.raises(InputError, match=r"moth|3 classes|2 classes|names no class|no class"):
        list_split(through_json(place, "test"), class_manifest(["zebra", "ant"]), "images.test")


def test_a_manifest_reads_and_verifies_every_image(tmp_path: Path, said: dict[str, Any]) -> None:
    place, classes = place_of(tmp_path, said), class_manifest(NAMES)
    table = split_manifest(through_json(place, "validation"), classes, "images.validation")
    assert [record.reason for record in table.records] == [""] * 7
    assert {(record.width, record.height) for record in table.records} == {(32, 32)}
    assert Counter(pixels(read_listed(record)) for record in table.records) == Counter(
        pixels(image) for _, image in SPLITS["validation"]
    )


def test_files_of_a_split_are_there(tmp_path: Path, said: dict[str, Any]) -> None:
    place = place_of(tmp_path, said)
    for split in place.splits:
        listed = [Path(path) for paths in place.listed(split).values() for path in paths]
        files = [*place.files(split), *listed]
        assert files
        assert all(file.exists() and file.is_relative_to(tmp_path) for file in files)


def test_settings_of_a_split_know_no_other_split(tmp_path: Path, said: dict[str, Any]) -> None:
    source = place_of(tmp_path, said).settings("test")["source"]
    assert set(source.get("splits", {"test"})) == {"test"}
    assert "expected" not in source


def test_what_is_not_there_is_not_found(tmp_path: Path, said: dict[str, Any]) -> None:
    (tmp_path / "elsewhere").mkdir()
    with pytest.raises(InputError, match="by which Animals is recognised"):
        place_of(tmp_path / "elsewhere", said)


def test_lost_files_are_named(tmp_path: Path, said: dict[str, Any]) -> None:
    place, moved = place_of(tmp_path, said), tmp_path.with_name(f"{tmp_path.name}-moved")
    tmp_path.rename(moved)
    with pytest.raises(InputError, match=tmp_path.name):
        list_split(through_json(place, "test"), class_manifest(NAMES), "images.test")


def test_a_key_that_the_layout_does_not_know_is_refused(
    tmp_path: Path, said: dict[str, Any]
) -> None:
    (tmp_path / "card.yaml").write_text(
        json.dumps({"title": "A", "classes": NAMES, "sources": [said | {"splitz": 1}]}), "utf-8"
    )
    with pytest.raises(InputError, match=r"sources\.0\.splitz: unknown key"):
        load_card(tmp_path / "card.yaml")
