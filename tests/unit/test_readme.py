"""What the README shows works as shown."""

import re
from pathlib import Path

import yaml

from susx.config import parse_config
from susx.pools import pool_shards

README = (Path(__file__).parents[2] / "README.md").read_text("utf-8")


def test_the_example_configuration_is_valid() -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    config = parse_config(yaml.safe_load(example))
    assert list(config.datasets) == ["pets"]
    assert len(pool_shards(config.pools["web"])) == 100


def test_links_within_the_project_lead_somewhere() -> None:
    links = re.findall(r"\]\((?!http)([^)#]+)", README)
    assert links
    assert [link for link in links if not (Path(__file__).parents[2] / link).exists()] == []
