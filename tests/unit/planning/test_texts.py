"""Prompt strategies: what they read, and which a dataset can have."""

from typing import Any

import pytest

from susx.core.errors import InputError
from susx.planning import texts
from susx.planning.setup import Setup
from tests.planned_world import setup_of

PLAIN = {name: {"source": source} for name, source in (
    ("photo", "template"), ("ensemble", "ensemble"), ("cupl", "descriptions"),
    ("visdesc", "descriptors"),
)} | {"cupl+e": {"source": "combine", "of": ["ensemble", "cupl"]}}  # fmt: skip
"""Strategies that the standard methods read."""


def evaluating(**section: Any) -> Setup:
    """A setup with a section `evaluation`."""
    return setup_of(lambda config: config.update(evaluation=section))


def test_a_strategy_reads_the_files_of_its_parts(setup: Setup) -> None:
    assert texts.strategy_sources(setup, "photo") == {"photo": "template"}
    parts = {"ensemble": "ensemble", "cupl": "descriptions"}
    assert texts.strategy_sources(setup, "cupl+e") == parts
    none = {"descriptions": None, "descriptors": None}
    assert texts.text_files(setup, "tiny", "photo") == none
    assert texts.text_files(setup, "tiny", "cupl+e") == none | {"descriptions": "descriptions.json"}
    written = none | {"descriptors": "work/asked/descriptors.json"}
    assert texts.text_files(setup, "asked", "visdesc") == written
    assert texts.text_file(setup, "tiny", "photo", "descriptions") == []


def test_texts_that_a_dataset_lacks_are_told_with_their_key(setup: Setup) -> None:
    with pytest.raises(InputError) as caught:
        texts.text_file(setup, "tiny", "visdesc", "descriptors")
    assert str(caught.value) == (
        "config.yaml: datasets.tiny.descriptors: not set, but prompt strategy visdesc reads it"
    )
    lost = setup_of(lambda c: c["datasets"]["tiny"].update(descriptions="nowhere.json"))
    with pytest.raises(InputError, match=r"config.yaml: datasets.tiny.descriptions: not found"):
        texts.text_file(lost, "tiny", "cupl", "descriptions")


def test_texts_are_those_that_the_dataset_has(setup: Setup) -> None:
    assert texts.configured_texts(setup, "tiny") == ["cupl+e"]
    assert texts.configured_texts(setup, "plain") == ["ensemble"]
    assert texts.configured_texts(setup, "shared") == ["cupl+e"]
    bare = setup_of(lambda c: c["datasets"]["shared"]["features"].update(text=["cupl"]))
    assert texts.configured_texts(bare, "shared") == ["cupl"]
    assert texts.configured_texts(evaluating(texts=["photo"]), "tiny") == ["photo"]


def test_methods_bring_their_texts() -> None:
    setup = evaluating(methods=["zero-shot", "visdesc", "tip-x", "dn"])
    assert texts.evaluated_texts(setup, "tiny") == ["ensemble", "visdesc", "cupl+e", "photo"]
    assert texts.unavailable_texts(setup, "tiny") == {
        "visdesc": "datasets.tiny.descriptors is not set"
    }
    assert texts.available_texts(setup, "tiny") == ["ensemble", "cupl+e", "photo"]
    assert texts.prompt_files(setup, "tiny") == [
        f"work/tiny/prompts/{name}.json" for name in ("ensemble", "cupl+e", "photo")
    ]


def test_features_that_come_with_texts_need_no_prompts() -> None:
    setup = evaluating(methods=["zero-shot", "dn"])
    assert texts.prompt_files(setup, "shared") == []
    assert texts.unavailable_texts(setup, "shared") == {
        "photo": "text photo of datasets.shared.features is not set"
    }
    assert texts.prompt_files(setup, "keys") == [
        f"work/keys/prompts/{name}.json" for name in ("ensemble", "photo")
    ]


def test_settings_of_prompts_are_those_of_dataset_and_card(setup: Setup) -> None:
    assert set(texts.prompt_settings(setup, "tiny", "photo")) == {"template", "ensemble"}
    seeds = {"waffle": {"source": "waffle"}, "other": {"source": "waffle", "seed": 3}}
    waffles = setup_of(lambda config: config.update(prompts=seeds | PLAIN))
    assert texts.prompt_settings(waffles, "tiny", "waffle")["waffle"] == 0
    assert texts.prompt_settings(waffles, "tiny", "other")["waffle"] == 3
    assert "waffle" not in texts.prompt_settings(waffles, "tiny", "photo")
    assert texts.described_keys(setup, "tiny") == {}
    assert texts.described_keys(setup, "card") == {}
