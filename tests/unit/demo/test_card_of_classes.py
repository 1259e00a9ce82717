from pathlib import Path

from demo.world import class_names
from susx.config.cards import load_card
from susx.manifests.classes import class_manifest
from susx.prompts.strategies import read_descriptions

DEMO = Path(__file__).parents[3] / "demo"


def test_the_dataset_card_lists_the_classes_in_label_order():
    assert [entry.name for entry in load_card(DEMO / "flags.yaml").classes] == class_names()


def test_every_class_has_sixteen_distinct_descriptions():
    texts = read_descriptions(DEMO / "descriptions.json", class_manifest(class_names()))
    assert [len(set(sentences)) for sentences in texts] == [16] * len(class_names())


def test_every_class_has_distinct_descriptors():
    classes = class_manifest(class_names())
    for row in read_descriptions(DEMO / "descriptors.json", classes):
        assert 0 < len(row) == len(set(row))
        assert not any(text.endswith(".") or text[0].isupper() for text in row)


def test_label_order_is_not_folder_order():
    assert class_names() != sorted(class_names())
