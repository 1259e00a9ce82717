"""Keys of published description files find their classes."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from susx.config.cards import load_card
from susx.core.errors import InputError
from susx.manifests.classes import class_manifest
from susx.manifests.names import description_keys, named_classes
from susx.prompts.description_keys import keys_of_classes, nearest_name, words
from susx.prompts.strategies import build_prompts, read_descriptions

PUBLISHED = [
    ("cub", "Black-footed Albatross", "Black footed Albatross"),
    ("cub", "Gray-crowned-Rosy Finch", "Gray crowned Rosy Finch"),
    ("sun397", "bazaar (outdoor)", "outdoor bazaar"),
    ("sun397", "bazaar (indoor)", "indoor bazaar"),
    ("flowers102", "globe flower", "globe-flower"),
    ("flowers102", "air plant", "ball moss"),
    ("eurosat", "lake or sea", "Sea or Lake"),
    ("eurosat", "brushland or shrubland", "Herbaceous Vegetation Land"),
    ("caltech101", "off-center face", "face"),
    ("caltech101", "snoopy (cartoon beagle)", "snoopy"),
    ("stanfordcars", "Ram CV Cargo Van Minivan 2012", "2012 Ram C/V Cargo Van Minivan"),
    ("ucf101", "Hand Stand Pushups", "Handstand Pushups"),
    ("imagenet", "eft", "newt"),
    ("imagenet-sketch", "maillot", "tights"),
]
"""Card, key of a file by CuPL or VisDesc, class."""


@pytest.mark.parametrize(("card", "key", "name"), PUBLISHED)
def test_a_published_key_means_its_class(card: str, key: str, name: str) -> None:
    classes = named_classes(None, card, "classes")
    keys = [key if entry.name == name else entry.name for entry in classes]
    assert keys_of_classes("f.json", keys, classes, **description_keys(card)) == keys


def test_keys_of_no_class_are_left_out_where_the_card_says_so() -> None:
    classes = named_classes(None, "caltech101", "classes")
    keys = ["background", *classes.names, "centered face"]
    found = keys_of_classes("f.json", keys, classes, **description_keys("caltech101"))
    assert found == classes.names
    with pytest.raises(InputError, match='"background", "centered face"'):
        keys_of_classes("f.json", keys, classes)


def test_a_key_may_serve_two_classes_which_stay_apart(tmp_path: Path) -> None:
    classes = class_manifest(["sunglass", "sunglasses", "newt"])
    data = {"sunglasses": ["Sunglasses are dark."], "newt": ["A newt is wet."]}
    path = tmp_path / "d.json"
    path.write_text(json.dumps(data))
    keys = {"described_as": {"sunglass": "sunglasses", "newt": "eft"}}
    shared = ["sunglass: Sunglasses are dark."]
    assert read_descriptions(path, classes, keys=keys) == [shared, *data.values()]
    settings: dict[str, Any] = {"descriptions": str(path), "descriptors": str(path), "keys": keys}
    made = build_prompts("cupl", {"cupl": "descriptions"}, classes, settings)
    assert made.texts == [shared, *data.values()]
    made = build_prompts("visdesc", {"visdesc": "descriptors"}, classes, settings)
    assert made.texts[0] == ["sunglass, which has Sunglasses are dark"]


def test_the_own_key_of_a_class_wins_over_the_table() -> None:
    classes = class_manifest(["missile", "projectile"])
    keys = {"described_as": {"projectile": "missile"}}
    assert keys_of_classes("f", ["projectile", "missile"], classes, **keys) == classes.names
    assert keys_of_classes("f", ["missile"], classes, **keys) == ["missile", "missile"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Bazaar (outdoor)", "outdoor_bazaar"),
        ("Café-au-lait", "cafe au lait"),
        ("Brewer's sparrow", "sparrow, Brewer’s"),
    ],
)
def test_names_of_the_same_words_are_the_same(one: str, other: str) -> None:
    assert words(one) == words(other)


@pytest.mark.parametrize("key", ["fox, den, red", "...", "犬"])
def test_words_that_two_classes_share_mean_neither(key: str) -> None:
    classes = class_manifest(["red fox den", "den fox red", "!"])
    with pytest.raises(InputError, match=f'f: "{re.escape(key)}"'):
        keys_of_classes("f", [*classes.names, key], classes)


def test_all_misses_stand_in_one_message_with_the_nearest_class_that_has_no_key() -> None:
    classes = class_manifest(["cat", "car", "barn owl", "snowy owl", "ant"])
    with pytest.raises(InputError) as caught:
        keys_of_classes("f.json", ["cat", "cars", "owl of the snow", "snowy owls", "x"], classes)
    assert str(caught.value) == (
        'f.json: "cars" (did you mean "car"?), "owl of the snow" (did you mean "barn owl"?), '
        '"snowy owls" (did you mean "snowy owl"?), "x" name no class; no description of "car", '
        '"barn owl", "snowy owl", "ant"; rename the keys, or give the classes `aliases`, or their '
        "card `described_as`"
    )


def test_the_one_key_and_the_one_class_that_are_left_may_belong_together() -> None:
    with pytest.raises(InputError, match=r'"automobile" \(did you mean "car"\?\) names no class'):
        keys_of_classes("f", ["cat", "automobile"], class_manifest(["cat", "car"]))


def test_words_in_common_come_before_letters_in_common() -> None:
    assert nearest_name("sports car", ["sports cat", "car", "sport scar"]) == "car"
    assert nearest_name("sport-car", ["sports scar", "red car"]) == "red car"
    assert nearest_name("zebra", ["car"]) == ""


def test_a_card_names_classes_of_its_own_in_the_table(tmp_path: Path) -> None:
    card = tmp_path / "c.yaml"
    card.write_text("title: T\nclasses: [ant]\ndescribed_as: {bee: wasp}\n")
    with pytest.raises(InputError, match=r'c\.yaml: described_as: "bee" is none of the `classes`'):
        load_card(card)
