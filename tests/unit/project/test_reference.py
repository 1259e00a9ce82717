"""The generated reference pages and schemas."""

import json
from pathlib import Path

import pytest
from pydantic import BaseModel

from docs.generate_reference import pages, write_pages
from susx.config.cards import Card
from susx.config.schema import Config
from susx.evaluation.schema import Result

ROOT = Path(__file__).parents[3]
PAGES = pages()
SCHEMAS = {"config.md": Config, "results.md": Result}


def sections() -> list[tuple[str, str, list[str], list[str]]]:
    """Page, title, keys and undescribed keys of every section."""
    found = []
    shared = Config.model_json_schema()["$defs"]
    for page, model in (*SCHEMAS.items(), ("config.md", Card)):
        schema = model.model_json_schema()
        title = model.__name__ if model is Card else "Top level"
        own = {k: v for k, v in schema["$defs"].items() if model is not Card or k not in shared}
        for name, part in {title: schema, **own}.items():
            keys = list(part["properties"])
            bare = [key for key in keys if not part["properties"][key].get("description")]
            found.append((page, name, keys, bare))
    return found


@pytest.mark.parametrize(("page", "title", "keys", "bare"), sections())
def test_every_key_is_described_in_the_reference(
    page: str, title: str, keys: list[str], bare: list[str]
) -> None:
    section = PAGES[page].split(f"## {title}\n")[1].split("\n## ")[0]
    assert bare == []
    assert keys
    assert all(f"\n| `{key}` | " in section for key in keys)


@pytest.mark.parametrize("name", PAGES)
def test_reference_is_up_to_date(name: str) -> None:
    assert (ROOT / "docs" / name).read_text("utf-8") == PAGES[name]


@pytest.mark.parametrize("model", [Config, Card, Result])
def test_schema_files_are_those_of_the_models(model: type[BaseModel]) -> None:
    name = {Config: "config", Card: "card", Result: "results"}[model]
    assert json.loads(PAGES[f"{name}.schema.json"]) == model.model_json_schema()


def test_pages_tell_what_may_be_null_and_what_is_listed() -> None:
    page = PAGES["results.md"]
    assert "| `support` | string or null | required |" in page
    assert "| `per_class` | list of number or null | required |" in page
    assert "| `runs` | list of [Run](#run) | required |" in page


def test_all_files_are_written(tmp_path: Path) -> None:
    write_pages(tmp_path)
    written = {path.name: path.read_text("utf-8") for path in tmp_path.iterdir()}
    assert written == PAGES
