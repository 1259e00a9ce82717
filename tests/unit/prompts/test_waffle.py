"""Random characters in place of descriptors."""

import re

import pytest

from susx.manifests.classes import class_manifest
from susx.prompts.strategies import build_prompts
from susx.prompts.waffle import N_DESCRIPTORS, random_descriptors

SETTINGS = {"template": "a photo of a {}, a pet.", "waffle": 0}


@pytest.mark.parametrize(
    ("names", "shape"),
    [
        (["cat"], "[a-z]{3}"),
        (["Maine_Coon", "St. Bernard"], "[a-z]{5} [a-z]{5}"),  # mean of 4.5 and 5
        (["a", "golden retriever dog"], "[a-z]{4} [a-z]{4}"),  # 1 and 3 words of 1 and 6 letters
        (["犬"], "[a-z]"),
    ],
)
def test_descriptors_have_the_shape_of_class_names(names: list[str], shape: str) -> None:
    made = random_descriptors(class_manifest(names), 0)
    assert len(made) == N_DESCRIPTORS
    assert all(re.fullmatch(shape, descriptor) for descriptor in made)


def test_descriptors_follow_from_the_seed_and_are_the_same_for_every_class() -> None:
    classes = class_manifest(["tabby cat", "red fox"])
    prompts = build_prompts("waffle", {"waffle": "waffle"}, classes, SETTINGS)
    cats, foxes = prompts.texts
    assert cats[0] == "a photo of a tabby cat, which has vtkg nkuh, a pet."
    assert foxes == [text.replace("tabby cat", "red fox") for text in cats]
    assert prompts.provenance == {"waffle": 0}
    other = build_prompts("waffle", {"waffle": "waffle"}, classes, {**SETTINGS, "waffle": 1})
    assert not set(other.texts[0]) & set(cats)


def test_all_letters_are_about_equally_likely() -> None:
    """5,400 letters: a share of 1 in 26 has a standard deviation of 14, six of which are 85."""
    text = "".join(random_descriptors(class_manifest(["x" * 180]), 5))
    counts = {letter: text.count(letter) for letter in "abcdefghijklmnopqrstuvwxyz"}
    assert sum(counts.values()) == len(text) == 30 * 180
    assert all(abs(n - len(text) / 26) < 85 for n in counts.values())
