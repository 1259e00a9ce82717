"""Datasets that are fetched from the hub or from a web server, up to their image manifest."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from huggingface_hub import constants

from susx.config.cards import Card
from susx.config.datasets import ImageSettings
from susx.core.errors import InputError
from susx.datasets.check import check_dataset
from susx.datasets.download import DatasetDownload, download_split, is_within
from susx.datasets.sources import Place, locate, split_manifest
from susx.evaluation import results
from susx.manifests.classes import class_manifest
from susx.manifests.tables import ImageRecord, Table, read_table, write_table
from tests.helpers import image_bytes
from tests.hub import ADDRESS, MIRROR, OLD, SHA, Repository, mirror, point_to, serving

PETS = class_manifest(["cat", "dog"])
RED = image_bytes((200, 30, 60), size=(8, 6))


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Repository]:
    with serving({MIRROR: mirror()}) as hub:
        point_to(hub, monkeypatch, tmp_path / "cache")
        yield hub.repositories[MIRROR]


def card_of(**source: Any) -> dict[str, Any]:
    tars: dict[str, Any] = {"name": "mirror", "layout": "webdataset", "url": ADDRESS}
    tars["splits"] = {"train": "train/*.tar", "test": "test/*.tar"}
    return {"title": "Pets", "classes": ["cat", "dog"], "sources": [{**tars, **source}]}


def place_of(root: Path, download: str | bool = True, **source: Any) -> Place:
    card = Card.model_validate(card_of(**source))
    return locate(ImageSettings(root=str(root), download=download), card, "images")


def fetched(root: Path, download: str | bool = True, **source: Any) -> DatasetDownload:
    place = place_of(root, download, **source)
    return download_split(**json.loads(json.dumps(place.published("test"))), key="images")


def listed(root: Path, found: DatasetDownload, **source: Any) -> Table:
    settings = place_of(root, **source).settings("test")
    return split_manifest(settings, PETS, "images.test", address=found.address)


def labels(table: Table) -> dict[str, int]:
    return {record.key: record.label for record in table.records}


@pytest.mark.parametrize("kind", ["hub", "folder"])
def test_a_split_is_fetched_and_listed_with_the_classes_of_the_card(
    hub: Repository, tmp_path: Path, kind: str
) -> None:
    root = tmp_path / "data"
    found = fetched(root, True if kind == "hub" else f"{hub.folder}/")
    table = listed(root, found)
    assert labels(table) == {"test/0/s1": 0, "test/0/s0": 1, "test/1/s2": 1}
    address = f"{ADDRESS}@{SHA}" if kind == "hub" else hub.folder
    write_table(tmp_path / "images.parquet", table, ImageRecord)
    assert (
        results._source(read_table(tmp_path / "images.parquet", ImageRecord))
        == f"mirror of {address}"
    )
    assert set(found.files) == {"classnames.txt", "test/0.tar", "test/1.tar"}
    assert not (root / "train").exists()
    assert {n: len(mirror()[n]) for n in found.files} == found.files
    found.write(tmp_path / "test.json")
    assert DatasetDownload.read(tmp_path / "test.json") == found


@pytest.mark.parametrize("kind", ["hub", "folder"])
def test_what_is_there_is_not_fetched_again(hub: Repository, tmp_path: Path, kind: str) -> None:
    download = True if kind == "hub" else hub.folder
    first = fetched(tmp_path / "data", download)
    sent = dict(hub.sent)
    (tmp_path / "data/test/1.tar").unlink()
    assert fetched(tmp_path / "data", download) == first
    again = {name for name in mirror() if hub.sent[name] > sent.get(name, 0)}
    assert "test/1.tar" in again
    assert "test/0.tar" not in again


def test_an_interrupted_file_of_the_hub_is_resumed(
    hub: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 1024)
    hub.cut["test/0.tar"] = 1
    found = fetched(tmp_path / "data")
    assert (tmp_path / "data/test/0.tar").read_bytes() == mirror()["test/0.tar"]
    assert hub.sent["test/0.tar"] == found.files["test/0.tar"]


def test_a_file_of_a_folder_that_breaks_off_is_not_kept(hub: Repository, tmp_path: Path) -> None:
    hub.cut["test/0.tar"] = 99
    with pytest.raises(InputError, match=r"images\.download: .*cannot be fetched .* run again"):
        fetched(tmp_path / "data", hub.folder)
    assert [path.name for path in (tmp_path / "data/test").iterdir()] == []
    hub.cut.clear()
    assert "test/0.tar" in fetched(tmp_path / "data", hub.folder).files


def test_a_pinned_revision_is_fetched_whatever_is_newest(hub: Repository, tmp_path: Path) -> None:
    hub.files[OLD] = {**mirror(), "classnames.txt": b"cat\ndog\n"}
    fetched(tmp_path / "data")
    found = fetched(tmp_path / "data", f"{ADDRESS}@{OLD}")
    assert found.address == f"{ADDRESS}@{OLD}"
    assert labels(listed(tmp_path / "data", found))["test/0/s0"] == 0


def test_files_of_another_revision_are_not_read_with_those_of_this_one(
    hub: Repository, tmp_path: Path
) -> None:
    fetched(tmp_path / "data")
    hub.files[OLD] = {name: data for name, data in mirror().items() if name != "test/1.tar"}
    with pytest.raises(InputError, match=r'images\.root: .* also holds "test/1\.tar", which hf://'):
        fetched(tmp_path / "data", f"{ADDRESS}@{OLD}")


def test_files_of_other_file_systems_are_found_by_their_pattern(tmp_path: Path) -> None:
    system = fsspec.filesystem("memory")
    system.pipe({f"/pets/{name}": data for name, data in mirror().items() if ".tar" in name})
    found = fetched(tmp_path, "memory://pets", splits={"test": "test/[0-9].tar"})
    assert list(found.files) == ["test/0.tar", "test/1.tar"]
    assert (tmp_path / "test/1.tar").read_bytes() == mirror()["test/1.tar"]


def test_parquet_of_a_branch_is_fetched_by_its_pattern(hub: Repository, tmp_path: Path) -> None:
    features = {"label": {"names": ["Dog", "cat"], "_type": "ClassLabel"}}
    rows = {"image": [{"bytes": RED, "path": None}], "label": [0]}
    table = pa.table(rows).replace_schema_metadata(
        {"huggingface": json.dumps({"info": {"features": features}})}
    )
    stream = io.BytesIO()
    pq.write_table(table, stream)
    hub.refs["refs/convert/parquet"] = OLD
    hub.files[OLD] = {"default/test/0000.parquet": stream.getvalue(), "x.txt": b""}
    source = {"layout": "parquet", "splits": {"test": "default/test/*.parquet"}}
    found = fetched(tmp_path, f"{ADDRESS}@refs/convert/parquet", **source)
    assert list(found.files) == ["default/test/0000.parquet"]
    assert labels(listed(tmp_path, found, **source)) == {"default/test/0000/0000000": 1}


def test_failures_say_what_to_do(
    hub: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(download: str, **source: Any) -> str:
        with pytest.raises(InputError) as caught:
            fetched(tmp_path / "data", download, **source)
        text = str(caught.value)
        assert text.startswith(f"images.download: {download}")
        assert "\n" not in text
        return text

    assert "no such dataset on the hub, or it is private" in fails("hf://datasets/owner/none")
    assert "no such revision; correct what follows `@`" in fails(f"{ADDRESS}@v9")
    assert "hf://datasets/OWNER/NAME@REVISION" in fails("hf://owner/model")
    splits = {"splits": {"test": "test-*.tar"}}
    assert "has no files test-*.tar" in fails(ADDRESS, **splits)
    assert "has no files test-*.tar" in fails(hub.folder, **splits)
    hub.gated = True
    assert "it is gated: accept its terms" in fails(ADDRESS)
    gone = "http://127.0.0.1:9/x"
    assert "cannot be fetched" in fails(gone)
    monkeypatch.setattr(constants, "ENDPOINT", gone)
    assert "cannot be fetched" in fails(ADDRESS)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE is set" in fails(ADDRESS)


def test_files_that_were_changed_after_the_download_are_named(
    hub: Repository, tmp_path: Path
) -> None:
    found = fetched(tmp_path / "data")
    found.write(tmp_path / "test.json")
    (tmp_path / "data/test/0.tar").unlink()
    (tmp_path / "data/test/1.tar").write_bytes(b"x")
    with pytest.raises(InputError, match=r'no longer holds "test/0\.tar", "test/1\.tar" as down'):
        DatasetDownload.read(tmp_path / "test.json")


def test_a_check_tells_which_downloaded_files_are_gone(hub: Repository, tmp_path: Path) -> None:
    card = tmp_path / "card.yaml"
    card.write_text(json.dumps(card_of()), "utf-8")
    found, record = fetched(tmp_path / "data"), str(tmp_path / "test.json")
    found.write(record)
    images = {"root": str(tmp_path / "data"), "download": True}

    def problems() -> list[str]:
        return check_dataset(images, str(card), PETS, "images", downloads={"test": record}).problems

    assert problems() == []
    (tmp_path / "data/test/1.tar").unlink()
    assert [problem.split(": ", 1)[0] for problem in problems()] == [record]


def test_a_source_that_can_be_downloaded_is_chosen_or_must_be_named(tmp_path: Path) -> None:
    assert place_of(tmp_path).address == ADDRESS
    with pytest.raises(InputError, match=r"images\.download: the card says of no such source"):
        place_of(tmp_path, url=None)
    assert place_of(tmp_path, "https://a.org/x", url=None).address == "https://a.org/x"
    with pytest.raises(InputError, match=r"folder not found: .*; `download: true` fetches it"):
        place_of(tmp_path / "none", False)


@pytest.mark.parametrize(
    ("images", "problem"),
    [
        ({"test": "x", "download": True}, "`download` needs `root`"),
        ({"root": "x", "download": "clip-benchmark/wds_pets"}, "is no address: give hf://"),
        ({"root": "x", "download": "https://me:secret@a.org/x"}, "holds credentials"),
        ({"root": "x", "download": "https://a.org/x?token=1"}, "holds credentials"),
    ],
)
def test_bad_addresses_are_refused(images: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        ImageSettings.model_validate(images)


@pytest.mark.parametrize(
    ("name", "fits"),
    [
        ("test/0.tar", True),
        ("test/../0.tar", False),
        ("test/../../x/0.tar", False),
        ("/test/0.tar", False),
        ("http://elsewhere/test/0.tar", False),
        ("test/0.txt", False),
    ],
)
def test_only_names_of_the_pattern_are_fetched(name: str, fits: bool) -> None:
    assert is_within(name, "test/*.tar") == fits


def test_a_damaged_record_of_a_download_is_named(tmp_path: Path) -> None:
    path = tmp_path / "test.json"
    DatasetDownload("hf://datasets/a/b@c", str(tmp_path), {}).write(path)
    assert DatasetDownload.read(path).files == {}
    path.write_text(path.read_text("utf-8").replace("a/b@c", "a/b@d"), "utf-8")
    with pytest.raises(InputError, match=r"test\.json: contents do not fit .* delete it and run"):
        DatasetDownload.read(path)
