"""Where class names and images come from, and what is missing."""

from pathlib import Path
from typing import Any

import pytest

from susx.core.errors import InputError
from susx.planning import datasets
from susx.planning.setup import Setup
from tests.planned_world import NAMES, setup_of


def with_dataset(**section: Any) -> Setup:
    """A setup with one more dataset, `new`."""
    return setup_of(lambda config: config["datasets"].update(new=section))


def test_class_names_come_from_a_file_from_entries_or_from_cards(setup: Setup) -> None:
    assert datasets.class_files(setup, "tiny") == ["classes.txt"]
    assert datasets.class_files(setup, "card") == ["card.yaml"]
    assert datasets.class_files(setup, "plain") == []
    Path("pets.yaml").write_text("title: Pets\nclasses: card.yaml\n", "utf-8")
    pets = with_dataset(card="pets.yaml", images={"test": "images/test"})
    assert datasets.class_files(pets, "new") == ["pets.yaml", "card.yaml"]
    assert datasets.dataset_classes(pets, "new").names == NAMES
    assert datasets.name_source(pets, "new") == {"classes": None, "card": "pets.yaml"}
    assert datasets.name_source(setup, "tiny") == {"classes": "classes.txt", "card": None}


def test_a_missing_class_list_is_told_with_its_key() -> None:
    setup = with_dataset(classes="nowhere.txt", images={"test": "images/test"})
    says = "config.yaml: datasets.new.classes: not found: nowhere.txt"
    for ask in (datasets.class_files, datasets.dataset_classes):
        with pytest.raises(InputError) as caught:
            ask(setup, "new")
        assert str(caught.value) == says


def test_datasets_are_told_by_what_they_have(setup: Setup) -> None:
    own = list(setup.config.datasets)
    assert datasets.named_datasets(setup) == [name for name in setup.datasets if name != "shared"]
    assert datasets.downloaded_datasets(setup) == ["fetched"]
    assert datasets.default_datasets(setup) == own
    assert datasets.tested_datasets(setup) == [name for name in own if name != "plain"]


def test_images_lie_where_folders_or_the_card_say(setup: Setup) -> None:
    assert datasets.image_files(setup, "tiny", "test") == ["images/test"]
    assert datasets.image_files(setup, "card", "test") == ["images/split.json", "images/test"]
    assert datasets.image_files(setup, "fetched", "test") == []
    assert datasets.image_hints(setup, "card", "test") == {
        "key": "config.yaml: datasets.card.images.root"
    }
    assert datasets.image_settings(setup, "tiny", "test") == {
        "source": {
            "name": "own",
            "below": ["."],
            "layout": "class-folders",
            "splits": {"test": "images/test"},
            "names": [],
            "strip": None,
        },
        "base": ".",
        "split": "test",
    }


def test_lists_and_downloads_say_what_else_is_read(setup: Setup) -> None:
    place = datasets.image_settings(setup, "tiny", "test")
    assert datasets.listed_files(setup, "tiny", "test") == {"place": place, "shards": []}
    Path("list.csv").write_text("path,label\n", "utf-8")
    listed = with_dataset(classes=["cat", "dog"], images={"test": "list.csv"})
    found = datasets.listed_files(listed, "new", "test")["place"]
    assert (found["source"]["layout"], found["base"]) == ("csv", ".")
    assert datasets.listed_files(setup, "fetched", "test") == {
        "fetched": ["fetched/test-*.tar", "fetched/classes.txt"]
    }


@pytest.mark.parametrize(
    ("section", "split", "says"),
    [
        (
            {"classes": ["cat", "dog"], "images": {"test": "nowhere"}},
            "test",
            "datasets.new.images.test: not found: nowhere",
        ),
        (
            {"classes": ["cat", "dog"], "images": {"test": "images/test"}},
            "train",
            "datasets.new.images.train is not set; name a folder of images",
        ),
        (
            {"classes": ["cat", "dog"], "images": {"unlabelled": "loose"}},
            "test",
            "datasets.new.images.test is not set; name a folder of images",
        ),
        (
            {"card": "trained.yaml", "images": {"root": "images"}},
            "test",
            "source all of datasets.new.images.root has no test images; name a folder of images",
        ),
        (
            {"card": "card.yaml", "images": {"root": "nowhere"}},
            "test",
            "datasets.new.images.root: folder not found: nowhere",
        ),
    ],
    ids=["missing folder", "split not named", "no labels", "split not in card", "missing root"],
)
def test_missing_images_are_told_with_their_key(
    section: dict[str, Any], split: Any, says: str
) -> None:
    with pytest.raises(InputError) as caught:
        datasets.image_files(with_dataset(**section), "new", split)
    assert str(caught.value) == f"config.yaml: {says}"


def test_classes_of_another_order_than_the_cards_are_refused() -> None:
    source = "{name: list, layout: csv, splits: {test: test.csv}, names: [z, b, c, a]}"
    Path("ordered.yaml").write_text(f"title: T\nclasses: {NAMES}\nsources: [{source}]\n", "utf-8")
    Path("images/test.csv").write_text("path,label\ntest/zebra/0.png,z\n", "utf-8")
    setup = with_dataset(card="ordered.yaml", classes=NAMES[::-1], images={"root": "images"})
    with pytest.raises(InputError, match=r'source list of the card .*"zebra" stands at 1'):
        datasets.image_place(setup, "new")


def test_unlabelled_images_need_a_folder(setup: Setup) -> None:
    assert datasets.unlabelled_folder(setup, "plain") == "loose"
    with pytest.raises(
        InputError, match=r"config.yaml: datasets.tiny.images.unlabelled is not set"
    ):
        datasets.unlabelled_folder(setup, "tiny")


def test_splits_that_have_images_are_evaluated(setup: Setup) -> None:
    assert datasets.evaluated_splits(setup, "tiny") == ["test", "validation"]
    assert datasets.evaluated_splits(setup, "asked") == ["test"]
    assert datasets.evaluated_splits(setup, "shared") == ["test", "validation"]
    for name in ("f", "t"):
        Path(f"features/shared_{name}_val_mRN50.pt").unlink()
    assert datasets.evaluated_splits(setup, "shared") == ["test"]


def test_what_cannot_be_tested_is_told_what_can_be_asked_for(setup: Setup) -> None:
    datasets.require_test(setup, "tiny")
    with pytest.raises(InputError) as caught:
        datasets.require_test(setup, "plain")
    assert str(caught.value) == (
        "config.yaml: datasets.plain.images.test is not set, so that nothing can be tested; name "
        "labelled test images, or ask for results/plain/predictions.parquet"
    )
    tuned = {"unlabelled": "loose", "validation": "images/validation"}
    with pytest.raises(InputError, match=r"datasets.new.images.test is not set, so that nothing"):
        datasets.require_test(with_dataset(classes=["cat", "dog"], images=tuned), "new")


def test_downloads_have_records(setup: Setup) -> None:
    record = "work/fetched/downloads/{}.json"
    assert datasets.downloaded(setup, "fetched", "test") == [record.format("test")]
    assert datasets.downloaded(setup, "fetched", "train") == []
    assert datasets.downloaded(setup, "tiny", "test") == []
    wanted = {split: record.format(split) for split in ("test", "validation")}
    assert datasets.download_records(setup, "fetched") == wanted
    assert datasets.checked_downloads(setup, "fetched") == list(wanted.values())
    assert datasets.download_records(setup, "tiny") is None
    assert datasets.checked_downloads(setup, "tiny") == []
    drawn = Path(record.format("train"))
    drawn.parent.mkdir(parents=True)
    drawn.touch()
    assert (datasets.download_records(setup, "fetched") or {})["train"] == str(drawn)
    assert datasets.download_settings(setup, "fetched", "test") == {
        "address": "https://example.org/pets",
        "folder": "fetched",
        "pattern": "test-*.tar",
        "names": ["classes.txt"],
        "key": "config.yaml: datasets.fetched.images",
    }


def test_a_check_waits_for_what_the_demo_draws_and_tells_the_rest_itself(setup: Setup) -> None:
    demo = with_dataset(classes=["cat", "dog"], images={"test": "demo/data/test"})
    assert datasets.checked_files(demo, "new") == ["demo/data/test"]
    lost = with_dataset(card="card.yaml", images={"root": "nowhere"})
    assert datasets.checked_files(lost, "new") == []
    assert datasets.checked_files(setup, "tiny") == datasets.checked_files(setup, "plain") == []
    settings = datasets.check_settings(setup, "tiny", "full/")
    assert (settings["full"], settings["downloads"], settings["card"]) == (True, None, None)
    assert settings["key"] == "config.yaml: datasets.tiny.images"
    assert not datasets.check_settings(setup, "tiny", "")["full"]
