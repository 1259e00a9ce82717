"""What the README shows works as shown."""

import re
from pathlib import Path

import pytest
import yaml

from susx.config import Config, parse_config
from susx.config_datasets import load_yaml
from susx.pools import pool_shards

ROOT = Path(__file__).parents[2]
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


@pytest.mark.parametrize("page", PAGES)
def test_links_within_the_project_lead_somewhere(page: str) -> None:
    links = re.findall(r"\]\((?!http)([^)#]+)", (ROOT / page).read_text("utf-8"))
    assert links
    assert [link for link in links if not ((ROOT / page).parent / link).exists()] == []
