"""Folders of images without labels."""

from pathlib import Path
from typing import Any

import pytest

from susx.config.datasets import ImageSettings
from susx.config.encoders import EncoderSettings
from susx.core.errors import InputError
from susx.datasets.check import check_dataset, check_lines
from susx.datasets.manifest import describe, examined
from susx.datasets.sources import locate
from susx.embeddings.cache import read_cache
from susx.embeddings.embed import embed_images
from susx.images.listing import unlabelled_images
from susx.manifests.classes import class_manifest
from susx.manifests.tables import ImageRecord, read_table, write_table
from tests.helpers import colour_of, image_bytes

CLASSES = class_manifest(["ant", "bee"])


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Flat and nested pictures, a hidden one, one that is broken, and a text file."""
    root = tmp_path / "photos"
    names = ("b.png", "a.JPG", "2024/may/c.png", "2024/d.png", ".hidden/e.png", ".f.png")
    for seed, name in enumerate(names):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(image_bytes(colour_of(seed, len(names)), seed=seed))
    (root / "ant").mkdir()
    (root / "ant/broken.png").write_bytes(b"")
    (root / "notes.txt").write_text("x", "utf-8")
    return root


def test_images_are_listed_wherever_they_lie_without_a_label(photos: Path) -> None:
    found = unlabelled_images(photos, "photos")
    keys = ["2024/d.png", "2024/may/c.png", "a.JPG", "ant/broken.png", "b.png"]
    assert [image.key for image in found.images] == keys
    assert [image.path for image in found.images] == [f"{photos}/{key}" for key in keys]
    assert {image.label for image in found.images} == {-1}
    assert found.meta == {"folder": str(photos), "n_other_files": 3}


def test_a_manifest_has_no_classes_but_the_reasons(photos: Path, tmp_path: Path) -> None:
    table = examined(unlabelled_images(photos, "photos"), CLASSES, "photos", threads=2)
    assert {(r.label, r.class_name) for r in table.records} == {(-1, "")}
    assert {r.key: r.reason for r in table.records if r.reason} == {"ant/broken.png": "empty file"}
    assert describe(table) == "5 images, 1 unreadable, 3 other files ignored"
    write_table(tmp_path / "m.parquet", table, ImageRecord)
    assert read_table(tmp_path / "m.parquet", ImageRecord, CLASSES.sha256) == table


def test_their_embeddings_are_cached_with_label_minus_one(
    photos: Path, tiny_clip: Path, tmp_path: Path
) -> None:
    table = examined(unlabelled_images(photos, "photos"), CLASSES, "photos")
    encoder = EncoderSettings(library="transformers", model=str(tiny_clip))
    embed_images(encoder, table, tmp_path / "c.h5", 1)
    read = read_cache(tmp_path / "c.h5", CLASSES.sha256, len(CLASSES))
    assert read.labels.tolist() == [-1] * 4
    assert read.keys == [r.key for r in table.records if not r.reason]


@pytest.mark.parametrize("make", [None, "file"])
def test_what_is_no_folder_is_named(tmp_path: Path, make: str | None) -> None:
    place = tmp_path / "photos"
    if make:
        place.write_text("x", "utf-8")
    with pytest.raises(InputError, match=r"images.unlabelled: folder not found: .*photos"):
        unlabelled_images(place, "images.unlabelled")


def test_a_folder_without_images_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="photos: no images below"):
        examined(unlabelled_images(tmp_path, "photos"), CLASSES, "photos")


def test_a_link_in_a_circle_ends(photos: Path) -> None:
    (photos / "2024/loop").symlink_to(photos)
    assert len(unlabelled_images(photos, "photos").images) == 5


def check(images: dict[str, Any], full: bool = True) -> Any:
    return check_dataset(images, None, CLASSES, "datasets.pets.images", full)


def test_a_check_tells_what_is_in_the_folder(photos: Path) -> None:
    found = check({"unlabelled": str(photos)})
    assert list(found.splits) == ["unlabelled"]
    split = found.splits["unlabelled"]
    assert (split.listed, split.examined, split.n_other_files) == (5, 5, 3)
    assert split.unreadable == {"ant/broken.png": "empty file"}
    assert found.problems == [
        'unlabelled: 1 of 5 decoded images unreadable: "ant/broken.png (empty file)"'
    ]
    assert check_lines(found)[0] == "unlabelled: 5 images of a folder, 5 decoded"


def test_a_check_of_a_missing_or_empty_folder_is_a_problem(tmp_path: Path) -> None:
    (problem,) = check({"unlabelled": str(tmp_path / "gone")}).problems
    assert "folder not found" in problem
    (problem,) = check({"unlabelled": str(tmp_path)}).problems
    assert "no images below" in problem


def test_a_check_of_both_tells_both(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "test/ant").mkdir(parents=True)
    (tmp_path / "test/ant/0.png").write_bytes(image_bytes((1, 2, 3)))
    found = check({"unlabelled": str(photos), "test": str(tmp_path / "test")})
    assert set(found.splits) == {"unlabelled", "test"}


def test_without_labelled_images_nothing_is_located() -> None:
    with pytest.raises(InputError, match="images: names no labelled images"):
        locate(ImageSettings(unlabelled="photos"), None, "images")
