"""Listing labelled folders."""

import hashlib
from pathlib import Path

import pytest

from susx.core import threads
from susx.core.errors import InputError
from susx.datasets.manifest import describe, image_manifest
from susx.images.decode import decode
from susx.images.fingerprints import fingerprint
from susx.images.listing import list_images
from susx.manifests.classes import ClassManifest, class_manifest
from susx.manifests.tables import ImageRecord, read_table, write_table
from tests.helpers import image_bytes, write_class_folders

CLASSES = class_manifest(["zebra", "St. Bernard", "ant", {"name": "dog", "wnid": "n02084071"}])


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Folders by name, slug, other case and wnid; sorted order is not label order."""
    write_class_folders(tmp_path / "photos", ["zebra", "st-bernard", "ANT", "n02084071"], 2)
    return tmp_path / "photos"


def labels(folder: Path, classes: ClassManifest = CLASSES) -> dict[str, int]:
    return {record.key: record.label for record in image_manifest(folder, classes).records}


def test_labels_come_from_the_class_manifest_not_from_folder_order(photos: Path) -> None:
    assert labels(photos) == {
        "zebra/000.png": 0,
        "zebra/001.png": 0,
        "st-bernard/000.png": 1,
        "st-bernard/001.png": 1,
        "ANT/000.png": 2,
        "ANT/001.png": 2,
        "n02084071/000.png": 3,
        "n02084071/001.png": 3,
    }


def test_records_describe_the_files(photos: Path) -> None:
    table = image_manifest(photos, CLASSES)
    record = table.records[2]
    data = (photos / "st-bernard/000.png").read_bytes()
    assert record == ImageRecord(
        key="st-bernard/000.png",
        path=str(photos / "st-bernard/000.png"),
        label=1,
        class_name="St. Bernard",
        sha256=hashlib.sha256(data).hexdigest(),
        width=40,
        height=30,
        fingerprint=fingerprint(decode(data)),
    )
    assert table.classes_sha256 == CLASSES.sha256


def test_order_is_that_of_classes_and_does_not_depend_on_threads(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = image_manifest(photos, CLASSES)
    assert [record.label for record in table.records] == [0, 0, 1, 1, 2, 2, 3, 3]
    assert image_manifest(photos, CLASSES, threads=4) == table
    monkeypatch.setattr(threads, "BLOCK", 3)
    assert image_manifest(photos, CLASSES, threads=4) == table


def test_images_in_deeper_folders_belong_to_the_class(photos: Path) -> None:
    (photos / "zebra/more").mkdir()
    (photos / "zebra/more/x.JPG").write_bytes(image_bytes((1, 2, 3), format="JPEG"))
    assert labels(photos)["zebra/more/x.JPG"] == 0


def test_content_decides_the_format_not_the_suffix(photos: Path) -> None:
    (photos / "zebra/x.jpg").write_bytes(image_bytes((1, 2, 3), format="PNG"))
    record = next(r for r in image_manifest(photos, CLASSES).records if r.key == "zebra/x.jpg")
    assert (record.reason, record.width) == ("", 40)


def test_unreadable_images_keep_their_place_with_the_reason(photos: Path) -> None:
    (photos / "zebra/000.png").write_bytes(b"")
    (photos / "st-bernard/000.png").write_text("just text")
    whole = (photos / "ANT/001.png").read_bytes()
    (photos / "ANT/001.png").write_bytes(whole[: len(whole) // 2])
    table = image_manifest(photos, CLASSES)
    assert len(table.records) == 8
    reasons = {r.key: r.reason for r in table.records if r.reason}
    assert reasons["zebra/000.png"] == "empty file"
    assert reasons["st-bernard/000.png"] == "not an image of a known format"
    assert set(reasons) == {"zebra/000.png", "st-bernard/000.png", "ANT/001.png"}
    assert table.meta["n_unreadable"] == 3
    broken = next(r for r in table.records if r.reason)
    assert (broken.width, broken.height, broken.label) == (0, 0, 0)
    assert describe(table) == "8 images, 3 unreadable"


def test_stray_files_are_counted_not_listed(photos: Path) -> None:
    (photos / "README.txt").write_text("x")
    (photos / "zebra/notes.md").write_text("x")
    (photos / "zebra/.hidden.png").write_bytes(image_bytes((1, 2, 3)))
    (photos / ".cache").mkdir()
    (photos / ".cache/x.png").write_bytes(image_bytes((1, 2, 3)))
    table = image_manifest(photos, CLASSES)
    assert len(table.records) == 8
    assert table.meta["n_other_files"] == 4
    assert describe(table) == "8 images, 0 unreadable, 4 other files ignored"


def test_classes_without_folder_are_reported(tmp_path: Path) -> None:
    write_class_folders(tmp_path / "photos", ["ant"], 1)
    table = image_manifest(tmp_path / "photos", CLASSES)
    assert table.meta["classes_without_folder"] == ["zebra", "St. Bernard", "dog"]
    assert describe(table).endswith('; no folder for "zebra", "St. Bernard", "dog"')


def test_unknown_folder_is_named_with_the_nearest_class(photos: Path) -> None:
    write_class_folders(photos, ["zebras"], 1)
    match = r'images\.test: .*photos: "zebras" names no class; did you mean "zebra"'
    with pytest.raises(InputError, match=match):
        image_manifest(photos, CLASSES, "images.test")


def test_two_folders_of_one_class_are_refused(photos: Path) -> None:
    write_class_folders(photos, ["St. Bernard"], 1)
    with pytest.raises(InputError, match=r'"St\. Bernard" and "st-bernard" both name class'):
        image_manifest(photos, CLASSES)


def test_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"images\.test: folder not found: .*nowhere"):
        image_manifest(tmp_path / "nowhere", CLASSES, "images.test")


def test_folder_without_subfolders_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(image_bytes((1, 2, 3)))
    with pytest.raises(InputError, match=r"images\.test: .* has no subfolders; make one per class"):
        image_manifest(tmp_path, CLASSES, "images.test")


def test_folders_without_images_are_refused(tmp_path: Path) -> None:
    (tmp_path / "zebra").mkdir()
    (tmp_path / "zebra/notes.txt").write_text("x")
    with pytest.raises(InputError, match=r"images\.test: no images below .*; known suffixes: "):
        image_manifest(tmp_path, CLASSES, "images.test")


def test_only_unreadable_images_are_refused_with_an_example(tmp_path: Path) -> None:
    write_class_folders(tmp_path, ["zebra"], 2)
    for path in tmp_path.rglob("*.png"):
        path.write_bytes(b"")
    match = r"none of the 2 images .* can be read \(zebra/000\.png: empty file\)"
    with pytest.raises(InputError, match=match):
        image_manifest(tmp_path, CLASSES)


def test_folder_whose_name_ends_like_an_image_is_no_image(photos: Path) -> None:
    (photos / "zebra/scans.tif").mkdir()
    (photos / "zebra/scans.tif/x.png").write_bytes(image_bytes((1, 2, 3)))
    assert "zebra/scans.tif" not in labels(photos)
    assert "zebra/scans.tif/x.png" in labels(photos)


def test_dangling_link_is_listed_as_unreadable(photos: Path) -> None:
    (photos / "zebra/gone.png").symlink_to(photos / "nowhere.png")
    table = image_manifest(photos, CLASSES)
    (record,) = (r for r in table.records if r.key == "zebra/gone.png")
    assert record.reason


def test_table_can_be_written_and_read(photos: Path, tmp_path: Path) -> None:
    (photos / "zebra/000.png").write_bytes(b"")
    table = image_manifest(photos, CLASSES)
    write_table(tmp_path / "t.parquet", table, ImageRecord)
    assert read_table(tmp_path / "t.parquet", ImageRecord, CLASSES.sha256) == table


def test_list_images_is_sorted_and_leaves_hidden_ones_out(tmp_path: Path) -> None:
    for name in ("b.png", "a.JPEG", "c.txt", ".d.png", "sub/.e/f.png", "sub/g.webp"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    found = [path.relative_to(tmp_path).as_posix() for path in list_images(tmp_path)]
    assert found == ["a.JPEG", "b.png", "sub/g.webp"]


def test_a_hidden_folder_above_hides_nothing(tmp_path: Path) -> None:
    write_class_folders(tmp_path / ".data/photos", ["zebra"], 1)
    assert labels(tmp_path / ".data/photos") == {"zebra/000.png": 0}


def test_images_below_the_working_folder_are_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_class_folders(tmp_path, ["zebra"], 1)
    (tmp_path / "zebra/.png").write_bytes(b"x")
    monkeypatch.chdir(tmp_path)
    assert labels(Path()) == {"zebra/000.png": 0}
    assert [str(path) for path in list_images(Path())] == ["zebra/000.png"]
