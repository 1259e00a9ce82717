"""What the README shows works as shown."""

import re
from pathlib import Path

import pytest
import yaml

from susx.config import parse_config
from susx.config.cards import Card, built_in_cards, load_card
from susx.config.datasets import ImageSettings, with_card
from susx.config.schema import Config
from susx.core.yaml_files import load_yaml
from susx.datasets.layouts.coop_json import CoopSplit
from susx.pools.shards import pool_shards
from tests import pages

ROOT = Path(__file__).parents[3]
PAGES = ("README.md", "docs/features.md")


def configurations(page: str) -> list[Config]:
    """Every example of a page, alone or merged over the shipped configuration."""
    shipped = load_yaml(ROOT / "config.yaml")
    examples = re.findall(r"```yaml\n(.*?)```", (ROOT / page).read_text("utf-8"), re.DOTALL)
    return [
        parse_config(settings)
        for example in map(yaml.safe_load, examples)
        for settings in (example, {**shipped, "datasets": example["datasets"]})
    ]


def test_the_example_of_images_is_valid() -> None:
    config = configurations("README.md")[0]
    assert list(config.datasets) == ["pets"]
    assert len(pool_shards(config.pools["web"])) == 100


@pytest.mark.parametrize("page", PAGES)
def test_examples_of_features_are_valid(page: str) -> None:
    *_, config, merged = configurations(page)
    assert config.datasets["caltech101"].features
    assert config.datasets == merged.datasets


@pytest.mark.parametrize("page", pages.PAGES)
def test_links_within_the_project_lead_somewhere(page: str) -> None:
    links = re.findall(r"\]\((?!http)([^)#]+)", (ROOT / page).read_text("utf-8"))
    assert links or page in pages.WITHOUT_LINKS
    assert [link for link in links if not ((ROOT / page).parent / link).exists()] == []


NOWHERE = re.compile(
    r"(here|this|this page|more|see|how|why|why not|link|it|its card|[\w/-]+\.md)", re.I
)
"""Texts of links that leave open where they lead, or name a file where a title would tell."""


@pytest.mark.parametrize("page", [*pages.PAGES, "CONTRIBUTING.md"])
def test_the_text_of_a_link_says_where_it_leads(page: str) -> None:
    texts = re.findall(r"\[([^\[\]]+)\]\([^)\s]+\)", (ROOT / page).read_text("utf-8"))
    assert [text for text in texts if NOWHERE.fullmatch(" ".join(text.split()))] == []


def test_a_link_that_leads_nowhere_is_noticed() -> None:
    assert all(NOWHERE.fullmatch(text) for text in ("here", "This page", "docs/methods.md"))
    assert not NOWHERE.fullmatch("how fusion works")


def test_examples_of_datasets_are_valid() -> None:
    text = (ROOT / "docs/datasets.md").read_text("utf-8")
    examples = list(map(yaml.safe_load, re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)))
    shipped = load_yaml(ROOT / "config.yaml")
    for example in (example for example in examples if "datasets" in example):
        for dataset in parse_config({**shipped, **example}).datasets.values():
            assert with_card(dataset).images == dataset.images
    cards = [Card.model_validate(example) for example in examples if "sources" in example]
    assert [[source.layout for source in card.sources] for card in cards] == [
        ["parquet"], ["class-folders", "csv"]
    ]  # fmt: skip
    assert len(examples) == 5


def test_four_lines_of_configuration_classify_a_folder() -> None:
    text = (ROOT / "docs/classifier.md").read_text("utf-8")
    first, second = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    assert len(first.splitlines()) == 4
    shipped = load_yaml(ROOT / "config.yaml")
    config = parse_config({**shipped, **yaml.safe_load(first), **yaml.safe_load(second)})
    assert config.datasets["pets"].images == ImageSettings(unlabelled="my/photos")
    assert config.classifier.support == "lc"


def test_the_table_of_datasets_says_what_the_cards_say() -> None:
    text = (ROOT / "docs/datasets.md").read_text("utf-8")
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line[:3] == "| `"]
    assert [row[0].strip("`") for row in rows] == built_in_cards()
    for name, title, classes, *counts, files in rows:
        card = load_card(name.strip("`"))
        expected = [card.expected.get(split) for split in ("train", "validation", "test")]
        stated = [
            "= test" if card.validation == "test" and i == 1 else n and f"{n:,}".replace(",", " ")
            for i, n in enumerate(expected)
        ]
        assert (title, int(classes.replace(" ", ""))) == (card.title, len(card.classes))
        assert counts == [n or "–" for n in stated]
        for source in card.sources:
            if isinstance(source, CoopSplit):
                assert f"`{source.file}`" in files
                assert source.folders == ["."] or f"`{source.folders[0]}/`" in files
