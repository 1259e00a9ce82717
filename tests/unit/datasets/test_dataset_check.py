"""Checks of datasets before a long job."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from susx.datasets import check as checks
from susx.datasets.check import SPARED, Check, check_dataset, check_lines
from susx.datasets.stored import stored_bytes
from susx.images.listing import ListedImage
from susx.manifests.classes import class_manifest
from tests.made.datasets import classes_of, write_cifar10, write_image, write_split_file

PETS = class_manifest(["cat", "dog"])
CARD = """
title: Pets
classes: [cat, dog]
expected: {train: 1, validation: 1, test: 3}
trouble: [One dog is a fox.]
sources: [{name: coop, layout: coop-json, file: split.json, images: jpg}]
"""


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """A dataset as its card says."""
    (tmp_path / "card.yaml").write_text(CARD, "utf-8")
    write_split_file(
        tmp_path / "split.json",
        tmp_path / "jpg",
        train=[("a.jpg", 0, "cat")],
        val=[("b.jpg", 1, "dog")],
        test=[("c.jpg", 0, "cat"), ("d.jpg", 1, "dog"), ("e.jpg", 1, "dog")],
    )
    return tmp_path


def check(root: Path, full: bool = False, **images: Any) -> Check:
    images = images or {"root": str(root)}
    return check_dataset(images, str(root / "card.yaml"), PETS, "images", full, threads=2)


def rewrite(root: Path, **changes: Any) -> None:
    data = json.loads((root / "split.json").read_text("utf-8"))
    (root / "split.json").write_text(json.dumps({**data, **changes}), "utf-8")


def test_a_complete_dataset_has_only_the_problems_that_it_was_published_with(pets: Path) -> None:
    found = check(pets)
    assert found.problems == [
        'train: 1 of 2 classes without images: "dog"',
        'validation: 1 of 2 classes without images: "cat"',
    ]
    assert found.remarks == []
    assert (found.title, found.source, found.folder) == ("Pets", "coop", str(pets))
    assert found.known_trouble == ["One dog is a fox."]
    assert list(found.splits) == ["train", "validation", "test"]
    test = found.splits["test"]
    assert (test.expected, test.listed, test.examined) == (3, 3, 3)
    assert (test.formats, test.modes) == ({"JPEG": 3}, {"RGB": 3})
    assert json.loads(json.dumps(asdict(found)))["splits"]["test"]["missing"] == []


def test_missing_images_are_told_from_unreadable_ones(pets: Path) -> None:
    (pets / "jpg/d.jpg").unlink()
    (pets / "jpg/e.jpg").write_bytes(b"")
    found = check(pets)
    assert found.splits["test"].missing == ["d.jpg"]
    assert found.splits["test"].unreadable == {"e.jpg": "empty file"}
    assert 'test: 1 of 3 images missing: "d.jpg"' in found.problems
    unreadable = 'test: 1 of 2 decoded images unreadable: "e.jpg (empty file)"'
    assert unreadable in found.problems


def test_training_images_may_be_missing_all_together(pets: Path) -> None:
    (pets / "jpg/a.jpg").unlink()
    found = check(pets)
    assert found.remarks == [SPARED]
    assert not any(problem.startswith("train") for problem in found.problems)
    assert found.splits["train"].missing == ["a.jpg"]
    rewrite(pets, train=[["a.jpg", 0, "cat"], ["f.jpg", 1, "dog"]])
    write_image(pets / "jpg/f.jpg")
    found = check(pets)
    assert 'train: 1 of 2 images missing: "a.jpg"' in found.problems
    assert found.remarks == []


def test_images_of_the_other_splits_may_not(pets: Path) -> None:
    (pets / "jpg/b.jpg").unlink()
    assert 'validation: 1 of 1 images missing: "b.jpg"' in check(pets).problems


def test_training_images_that_the_configuration_names_are_not_spared(tmp_path: Path) -> None:
    write_image(tmp_path / "test/cat/0.jpg")
    named = {split: str(tmp_path / split) for split in ("test", "train")}
    found = check_dataset(named, None, PETS, "images")
    assert any("images: train: folder not found" in problem for problem in found.problems)
    assert SPARED not in found.remarks


def test_a_file_that_may_not_be_looked_at_is_not_missing(
    pets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Path.stat

    def stat(path: Path, **options: Any) -> Any:
        if path.name == "d.jpg":
            raise PermissionError(13, "Permission denied")
        return real(path, **options)

    monkeypatch.setattr(Path, "stat", stat)
    found = check(pets).splits["test"]
    assert (found.missing, found.unreadable) == ([], {"d.jpg": "Permission denied"})


def test_other_counts_than_published_are_told(pets: Path) -> None:
    rewrite(pets, test=[["c.jpg", 0, "cat"], ["d.jpg", 1, "dog"]])
    assert "test: 3 images were published, 2 are listed" in check(pets).problems


def test_images_of_two_splits_are_told(pets: Path) -> None:
    rewrite(pets, val=[["b.jpg", 1, "dog"], ["c.jpg", 0, "cat"]])
    assert 'test: images that are also listed for validation: 1: "c.jpg"' in check(pets).problems


def test_formats_and_modes_that_are_not_as_they_seem_are_remarks(pets: Path) -> None:
    write_image(pets / "jpg/c.jpg", format="PNG")
    Image.new("CMYK", (4, 4)).save(pets / "jpg/d.jpg", "JPEG")
    Image.new("L", (4, 4)).save(pets / "jpg/e.jpg", "JPEG")
    found = check(pets)
    assert found.splits["test"].misnamed == {"c.jpg": "PNG"}
    assert found.splits["test"].modes == {"RGB": 1, "CMYK": 1, "L": 1}
    assert found.remarks == [
        'test: 1 of 3 decoded images in another format than named: "c.jpg (PNG)"',
        "test: 2 of 3 decoded images converted to RGB: 1 CMYK, 1 L",
    ]
    assert not [problem for problem in found.problems if problem.startswith("test")]


def test_a_quick_check_looks_into_few_images_and_a_full_one_into_all(
    pets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "SAMPLE", 2)
    read: list[str] = []

    def reading(path: str) -> bytes:
        read.append(Path(path).name)
        return stored_bytes(path)

    monkeypatch.setattr(checks, "stored_bytes", reading)
    (pets / "jpg/e.jpg").write_bytes(b"")
    found = check(pets)
    assert (found.full, found.splits["test"].examined, len(read)) == (False, 2, 4)
    assert "unreadable" not in "".join(found.problems)
    found = check(pets, full=True)
    assert (found.full, found.splits["test"].examined, len(read)) == (True, 3, 9)
    assert found.splits["test"].unreadable == {"e.jpg": "empty file"}


def test_the_sample_is_spread_over_the_classes() -> None:
    images = [ListedImage(str(i), "", 0) for i in range(10)]
    assert [image.key for image in checks._spread(images, 3)] == ["0", "3", "6"]
    assert checks._spread(images, 10) == images


def test_nothing_found_is_a_problem_not_an_error(pets: Path) -> None:
    (pets / "split.json").unlink()
    found = check(pets)
    assert (found.source, found.splits) == (None, {})
    (problem,) = found.problems
    assert "images.root" in problem
    assert "split.json" in problem


def test_a_broken_split_does_not_hide_the_others(pets: Path) -> None:
    rewrite(pets, val=[["b.jpg", 0, "dog"]])
    found = check(pets)
    assert list(found.splits) == ["train", "test"]
    assert any('label 0 is "dog"' in problem for problem in found.problems)


def test_folders_of_the_configuration_need_not_have_the_published_counts(pets: Path) -> None:
    write_image(pets / "photos/cat/1.jpg")
    write_image(pets / "photos/dog/1.jpg")
    (pets / "photos/README").write_text("x", "utf-8")
    found = check(pets, test=str(pets / "photos"))
    assert found.problems == []
    assert found.splits["test"].expected is None
    assert found.remarks == ["test: other files, which are ignored: 1"]
    gone = check(pets, test=str(pets / "nowhere"))
    assert gone.problems == [f"images: test: folder not found: {pets}/nowhere"]


def test_a_dataset_without_card_is_checked(tmp_path: Path) -> None:
    write_image(tmp_path / "cat/1.jpg")
    found = check_dataset({"test": str(tmp_path)}, None, PETS, "images")
    assert found.title is None
    assert found.problems == ['test: 1 of 2 classes without images: "dog"']


def test_archives_are_checked_by_their_rows(tmp_path: Path) -> None:
    write_cifar10(tmp_path, list(range(10)))
    found = check_dataset(
        {"root": str(tmp_path)}, "cifar10", classes_of("cifar10"), "images", full=True
    )
    assert found.splits["test"].formats == {"PPM": 10}
    assert found.splits["test"].missing == []
    assert "test: 10000 images were published, 10 are listed" in found.problems
    (tmp_path / "cifar-10-batches-py/test_batch").write_bytes(b"")
    found = check_dataset({"root": str(tmp_path)}, "cifar10", classes_of("cifar10"), "images")
    assert any("test_batch: not a file of CIFAR's archive" in text for text in found.problems)


def test_the_summary_tells_counts_and_how_to_look_closer(pets: Path) -> None:
    found = check(pets)
    assert check_lines(found) == [
        "train: 1 images of coop, 1 decoded",
        "validation: 1 images of coop, 1 decoded",
        "test: 3 images of coop, 3 decoded",
        "problems: 2; `check/full/` in place of `check/` decodes every image",
    ]
    assert check_lines(check(pets, full=True))[-1] == "problems: 2"
    found.problems.clear()
    assert check_lines(found)[-1].startswith("problems: none; ")
