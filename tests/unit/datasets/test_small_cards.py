"""Every card reads the files that its dataset is published as, in miniature."""

from pathlib import Path

import pytest

from susx.config.cards import load_card
from susx.datasets.check import check_dataset
from susx.manifests.names import named_classes
from tests.made.cards import CLASSES, shipped_cards, small_cards, write_images
from tests.made.imagenet import LABELS

OTHERS = sorted(shipped_cards().keys() - {"imagenet"})


@pytest.mark.parametrize("name", OTHERS)
def test_a_dataset_in_miniature_is_as_its_card_says(small: Path, name: str) -> None:
    write_images(small / "data", name)
    classes = named_classes(None, name, "card")
    check = check_dataset({"root": str(small / "data")}, name, classes, "images", full=True)
    assert check.problems == []
    assert check.source == small_cards()[name]["sources"][0]["name"]
    counts = {split: found.listed for split, found in check.splits.items()}
    assert counts.items() >= load_card(name).expected.items()
    assert counts["test"] == 2 * len(classes)
    for split in check.splits.values():
        assert (split.missing, split.unreadable, split.classes_without_images) == ([], {}, [])
        assert split.n_other_files == 0


def test_small_cards_keep_what_does_not_depend_on_their_classes() -> None:
    for name, whole in shipped_cards().items():
        small = small_cards()[name]
        cut = ("classes", "wnids", "described_as", "expected", "sources")
        assert {k: v for k, v in small.items() if k not in cut} == {
            k: v for k, v in whole.items() if k not in cut
        }
        assert small.keys() == whole.keys()
        n = len(small["classes"])
        assert n in (CLASSES, len(LABELS)) or isinstance(small["classes"], str)
        assert len(small.get("wnids", small["classes"])) == n
    assert "newt" in small_cards()["imagenet"]["described_as"]
