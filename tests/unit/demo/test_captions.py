"""Captions and descriptions: vocabulary, truth, noise shares."""

import json
from pathlib import Path

import numpy as np
import pytest

import demo
from demo import captions
from demo.captions import attribute_caption, attributes, name_caption, vocabulary, words
from demo.flags import CONTINENTS, COUNTRIES, random_spec

DESCRIPTIONS = Path(demo.__file__).parent / "descriptions.json"
PROMPT_WORDS = (
    "itap bad photo of the a origami large in video game art small flag image picture good"
)


@pytest.fixture(scope="module")
def known() -> set[str]:
    return set(vocabulary())


@pytest.fixture(scope="module")
def described() -> dict[str, list[str]]:
    return json.loads(DESCRIPTIONS.read_text())


def test_vocabulary_covers_prompts_names_and_continents(known: set[str]) -> None:
    needed = set(PROMPT_WORDS.split())
    for text in (*CONTINENTS, *(country.name for country in COUNTRIES)):
        needed |= set(words(text))
    assert needed <= known


def test_vocabulary_covers_random_captions(known: set[str]) -> None:
    rng = np.random.default_rng(0)
    for _ in range(3000):
        assert set(words(attribute_caption(random_spec(rng), rng))) <= known
    for number in range(2000):
        assert set(words(name_caption(number % len(COUNTRIES), rng))) <= known


def test_captions_are_lower_case_and_reproducible() -> None:
    def texts(seed: int) -> list[str]:
        rng = np.random.default_rng(seed)
        return [attribute_caption(COUNTRIES[i].spec, rng) for i in range(50)]

    assert texts(0) == texts(0)
    assert texts(0) != texts(1)
    assert all(text == text.lower() for text in texts(0))


def test_full_attributes_name_every_part() -> None:
    rng = np.random.default_rng(0)
    cuba = next(country for country in COUNTRIES if country.name == "Cuba").spec
    for _ in range(50):
        text = attributes(cuba, rng)
        assert all(word in text for word in ("blue", "white", "red triangle", "star"))


def test_name_captions_are_wrong_or_coarse_as_often_as_intended() -> None:
    rng = np.random.default_rng(0)
    texts = [name_caption(2, rng) for _ in range(4000)]
    japan = sum("japan" in text for text in texts) / len(texts)
    continental = sum(any(f" {c.lower()}" in text for c in CONTINENTS) for text in texts)
    expected = 1 - captions.WRONG_COUNTRY * (1 - 1 / len(COUNTRIES))
    assert japan == pytest.approx(expected * (1 - captions.CONTINENT_ONLY), abs=0.03)
    assert continental / len(texts) == pytest.approx(captions.CONTINENT_ONLY, abs=0.03)


def test_descriptions_cover_every_class_in_order(described: dict[str, list[str]]) -> None:
    assert list(described) == [country.name for country in COUNTRIES]
    for sentences in described.values():
        assert len(sentences) == len(set(sentences)) == 16


def test_descriptions_use_known_words_and_true_colours(
    described: dict[str, list[str]], known: set[str]
) -> None:
    for country in COUNTRIES:
        parts = (*country.spec.overlays, *country.spec.charges)
        colours = set(country.spec.base.colours) | {part.colour for part in parts}
        colours |= {overlay.edge for overlay in country.spec.overlays if overlay.edge}
        allowed = set(words(" ".join(colours) + " " + country.name))
        palette = set(words("red white blue green yellow black orange light maroon"))
        for sentence in described[country.name]:
            used = set(words(sentence))
            assert used <= known
            assert used & palette <= allowed, sentence


def test_most_descriptions_do_not_need_the_name(described: dict[str, list[str]]) -> None:
    named = [name in text for name, texts in described.items() for text in texts]
    assert 0.1 < np.mean(named) < 0.4
