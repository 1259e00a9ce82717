"""ImageNet in every layout that people have, as the publishers' files are."""

import hashlib
import json
from collections import Counter
from pathlib import Path

import pytest

from susx.config.cards import load_card
from susx.config.datasets import ImageSettings
from susx.datasets.check import SPARED, check_dataset
from susx.datasets.sources import locate, split_manifest
from susx.datasets.stored import read_listed
from susx.manifests.classes import ClassManifest
from susx.manifests.names import named_classes
from tests.made.imagenet import LAYOUTS, PER_CLASS, SYNSETS, truth, validation_pictures


@pytest.fixture
def classes(small: Path) -> ClassManifest:
    return named_classes(None, "imagenet", "card")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_image_gets_the_class_that_the_publisher_says(
    classes: ClassManifest, tmp_path: Path, layout: str
) -> None:
    root = tmp_path / "imagenet"
    LAYOUTS[layout](root)
    place = locate(ImageSettings(root=str(root)), load_card("imagenet"), "images")
    settings = json.loads(json.dumps(place.settings("test")))
    records = split_manifest(settings, classes, "images.test").records
    found = Counter((r.sha256, classes.classes[r.label].wnid) for r in records)
    assert found == Counter((p.sha256, p.synset.wnid) for p in validation_pictures())
    assert len(found) == len(truth())
    for record in records:
        assert hashlib.sha256(read_listed(record)).hexdigest() == record.sha256


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_check_finds_what_is_odd_and_nothing_wrong(
    classes: ClassManifest, tmp_path: Path, layout: str
) -> None:
    root = tmp_path / "imagenet"
    LAYOUTS[layout](root)
    check = check_dataset({"root": str(root)}, "imagenet", classes, "images", full=True)
    test = check.splits["test"]
    assert (test.listed, test.missing, test.unreadable) == (len(truth()), [], {})
    assert test.modes == {"RGB": len(truth()) - 2, "CMYK": 1, "L": 1}
    assert test.formats == {"JPEG": len(truth()) - 1, "PNG": 1}
    assert check.problems == []
    without_training = layout.startswith("flat")
    assert (SPARED in check.remarks, "train" not in check.splits) == (without_training,) * 2
    if not without_training:
        assert check.splits["train"].listed == len(SYNSETS) * PER_CLASS["train"]
