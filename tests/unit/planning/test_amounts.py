"""How much a run has to do with, as far as that is known before it."""

import json
from pathlib import Path

from susx.manifests.classes import class_manifest
from susx.manifests.tables import ImageRecord, Table, write_table
from susx.planning.amounts import class_count, image_count, support_size, texts_per_class
from susx.planning.setup import Setup
from tests.planned_world import CARD, NAMES, setup_of


def test_images_are_counted_where_no_card_tells(setup: Setup) -> None:
    Path("images/test/zebra/1.png").touch()
    Path("images/test/zebra/notes.txt").touch()
    assert image_count(setup, "tiny", "test") == 2
    assert image_count(setup, "plain", "unlabelled") == 1
    assert image_count(setup, "card", "test") is None  # a list, which nothing has read


def test_a_card_tells_how_many_images_it_has(setup: Setup) -> None:
    Path("card.yaml").write_text(json.dumps(CARD | {"expected": {"test": 50_000}}), "utf-8")
    assert image_count(setup_of(), "card", "test") == 50_000


def test_what_was_listed_counts_more_than_what_a_card_tells(setup: Setup) -> None:
    Path("card.yaml").write_text(json.dumps(CARD | {"expected": {"test": 50_000}}), "utf-8")
    listed = Path("work/card/images/test.parquet")
    listed.parent.mkdir(parents=True)
    sha = class_manifest(NAMES).sha256
    record = ImageRecord("0", "0.png", 0, "zebra", "", 8, 8)
    write_table(listed, Table([record], sha, {}), ImageRecord)
    assert image_count(setup_of(), "card", "test") == 1


def test_missing_images_have_no_number(setup: Setup) -> None:
    gone = setup_of(lambda c: c["datasets"]["tiny"]["images"].update(test="gone"))
    assert image_count(gone, "tiny", "test") is None


def test_texts_follow_from_templates_files_and_questions(setup: Setup) -> None:
    described = {"zebra": ["a", "b", "c"], "apple": ["d"]}
    Path("descriptions.json").write_text(json.dumps(described), "utf-8")
    assert texts_per_class(setup, "tiny", "photo") == 1
    assert texts_per_class(setup, "tiny", "ensemble") == 7
    assert texts_per_class(setup, "tiny", "cupl") == 2
    assert texts_per_class(setup, "tiny", "cupl+e") == 9
    assert texts_per_class(setup, "asked", "cupl") == 50
    Path("descriptions.json").write_text("{", "utf-8")
    assert texts_per_class(setup, "tiny", "cupl") == 50


def test_classes_and_support_images(setup: Setup) -> None:
    assert class_count(setup, "tiny") == 4
    sizes = [support_size(setup, name) for name in ("lc", "drawn", "few-seed0")]
    assert sizes == [3, 16, 2]
    Path("classes.txt").unlink()
    assert class_count(setup_of(), "tiny") is None
