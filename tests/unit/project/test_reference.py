"""The generated reference pages and schemas."""

import json
import re
from pathlib import Path

import jsonschema
import pytest
import yaml
from pydantic import BaseModel

from docs import generate_reference
from docs.config_stages import SOURCES, STAGES, Stage
from docs.generate_reference import FORMULAS, pages, shared_keys, typeset, write_pages
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
    common = shared_keys([Card.model_json_schema()["$defs"][name] for name in SOURCES])
    for page, model in (*SCHEMAS.items(), ("config.md", Card)):
        schema = model.model_json_schema()
        title = model.__name__ if model is Card else "Top level"
        own = {k: v for k, v in schema["$defs"].items() if model is not Card or k not in shared}
        every = {"Every source": {"properties": common}} if model is Card else {}
        for name, part in {title: schema, **own, **every}.items():
            keys = [key for key in part["properties"] if name not in SOURCES or key not in common]
            bare = [key for key in keys if not part["properties"][key].get("description")]
            found.append((page, name, keys, bare))
    return found


@pytest.mark.parametrize(("page", "title", "keys", "bare"), sections())
def test_every_key_is_described_in_the_reference(
    page: str, title: str, keys: list[str], bare: list[str]
) -> None:
    section = re.split(r"\n##", PAGES[page].split(f"## {title}\n")[1])[0]
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


def test_keys_that_all_sources_have_are_told_once() -> None:
    assert PAGES["config.md"].count("| What results call it. |") == 1
    one, other = ({"properties": {"a": 1, "b": n}} for n in (2, 3))
    assert shared_keys([one, other]) == {"a": 1}


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.title)
def test_examples_follow_the_schema_that_editors_have(stage: Stage) -> None:
    model = Card if "Card" in stage.sections else Config
    example = yaml.safe_load(stage.example)
    schema = json.loads(PAGES[f"{model.__name__.lower()}.schema.json"])
    jsonschema.validate(example, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**example, "datasetz": {}}, schema)


def test_a_section_without_a_place_on_the_page_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generate_reference, "STAGES", STAGES[1:])
    with pytest.raises(ValueError, match=r"not each section once: .*'Dataset'"):
        pages()


def test_formulas_of_results_are_typeset_and_those_of_its_schema_plain() -> None:
    page, schema = PAGES["results.md"], PAGES["results.schema.json"]
    for plain, latex in FORMULAS.items():
        assert latex in page and plain not in page
        assert plain in schema
    assert page.count("$`n - 1`$") == schema.count("(n - 1)") == 2


def test_a_formula_that_no_description_has_is_noticed() -> None:
    assert typeset("x^2 and x^2", {"x^2": "$`x^2`$"}) == "$`x^2`$ and $`x^2`$"
    with pytest.raises(ValueError, match=r"no page has 'y\^2' any more"):
        typeset("x^2", {"y^2": "$`y^2`$"})


def test_all_files_are_written(tmp_path: Path) -> None:
    write_pages(tmp_path)
    written = {path.name: path.read_text("utf-8") for path in tmp_path.iterdir()}
    assert written == PAGES
