"""Generate the reference pages and JSON schemas of config.yaml and of results, in docs/."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from docs.config_stages import SOURCES, STAGES
from susx.cli.editors import schema_text
from susx.config.cards import Card
from susx.config.schema import Config
from susx.evaluation.schema import SCHEMA, Result

DOCS = Path(__file__).parents[1] / "docs"
CONFIG = """# config.yaml

Every key, by stage of the pipeline. Paths are relative to the folder that Snakemake runs in. An
unknown key is an error that names the nearest one.

Editors complete and check keys where the first line of a file names its schema:

```yaml
# yaml-language-server: $schema=config.schema.json
datasets:
  pets: {classes: my/classes.txt, images: {test: my/test}}
```

`susx init` writes that line and the schema of the installed version, and `susx new` the line. After
an upgrade `susx init FOLDER --schema` writes the schema anew. The path is relative to the file. In
a checkout the schema is [docs/config.schema.json](config.schema.json). That of dataset cards is
[docs/card.schema.json](card.schema.json).

`make docs` generates this page from `susx/config`; do not edit it.
"""
COMMON = "What each entry of `sources` has, beside the keys of its layout below."
RESULTS = f"""# results/{{dataset}}.json

Generated from `susx/evaluation/schema.py` by `make docs`; do not edit. The same as a JSON schema:
[results.schema.json](results.schema.json). This is version `{SCHEMA}`. Results are checked
against it when they are written and when they are read; a change of keys changes the version, and
a result of another version is refused: make it anew.

Nothing beside the file is needed to read it: a row of `runs` names its method, text, support set
and encoder, which `methods`, `texts`, `supports` and `encoders` tell of, and `classes` has the
names behind every list with a number per class. Of few-shot support sets, `supports` has every draw
under a name of its own, `entry-seedN`.
"""
FORMULAS = {
    "`softmax(logits / T)`": r"$`\operatorname{softmax}(\text{logits} / T)`$",
    "`logit_scale`; the published value is 100 / `logit_scale` times": (
        "`logit_scale` s; the published value is $`100 / s`$ times"
    ),
    "Standard deviation (n - 1)": "Standard deviation ($`n - 1`$)",
}
"""What results.md has typeset of descriptions, which are plain text in code and in JSON schemas."""


def pages() -> dict[str, str]:
    """Every generated file by name."""
    return {
        "config.md": _config(),
        "config.schema.json": schema_text(Config),
        "card.schema.json": schema_text(Card),
        "results.md": typeset(_page(RESULTS, Result), FORMULAS),
        "results.schema.json": schema_text(Result),
    }


def write_pages(folder: Path = DOCS) -> None:
    """Write all files."""
    for name, text in pages().items():
        (folder / name).write_text(text, "utf-8")


def typeset(page: str, formulas: Mapping[str, str]) -> str:
    """Write formulas of a page as LaTeX.

    Args:
        page: Markdown.
        formulas: LaTeX by the plain text that it replaces.

    Raises:
        ValueError: if the page lacks one of the texts, which has changed then.
    """
    for plain, latex in formulas.items():
        if plain not in page:
            raise ValueError(f"docs/generate_reference.py: no page has {plain!r} any more")
        page = page.replace(plain, latex)
    return page


def shared_keys(sections: list[dict[str, Any]]) -> dict[str, Any]:
    """Keys that all sections have, of the same meaning."""
    first, *others = (section["properties"] for section in sections)
    return {key: field for key, field in first.items() if all(o.get(key) == field for o in others)}


def _page(introduction: str, model: type[BaseModel]) -> str:
    schema = model.model_json_schema()
    parts = [introduction, *_section("Top level", schema)]
    for name, section in schema["$defs"].items():
        parts += _section(name, section)
    return "\n".join(parts)


def _config() -> str:
    config = Config.model_json_schema()
    found = _sections(config)
    placed = [name for stage in STAGES for name in stage.sections]
    if sorted(placed) != sorted(found):
        wrong = sorted(set(placed) ^ set(found)) or "one stands twice"
        raise ValueError(f"docs/config_stages.py: not each section once: {wrong}")
    parts = [CONFIG, *_section("Top level", config)]
    for stage in STAGES:
        parts.append(f"## {stage.title}\n\n{stage.text}\n\n```yaml\n{stage.example}```\n")
        for name in stage.sections:
            parts += _section(name, found[name], level=3)
    return "\n".join(parts)


def _sections(config: dict[str, Any]) -> dict[str, Any]:
    """Sections of configuration and cards by name; one has what all sources have."""
    card = Card.model_json_schema()
    sources = [card["$defs"][name] for name in SOURCES]
    shared = shared_keys(sources)
    common = {"description": COMMON, "properties": shared, "required": sources[0]["required"]}
    for source in sources:
        source["properties"] = {k: v for k, v in source["properties"].items() if k not in shared}
    return {**config["$defs"], **card["$defs"], "Card": card, "Every source": common}


def _section(name: str, schema: dict[str, Any], level: int = 2) -> Iterator[str]:
    yield f"{'#' * level} {name}\n"
    yield f"{schema.get('description', '')}".strip() + "\n"
    yield "| key | type | default | meaning |\n|---|---|---|---|"
    required = schema.get("required", [])
    for key, field in schema["properties"].items():
        default = "required" if key in required else f"`{_short(field.get('default'))}`"
        cells = (f"`{key}`", _type(field), default, field.get("description", ""))
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
    yield ""


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:56]} ..."


def _type(field: dict[str, Any]) -> str:
    if "$ref" in field:
        name = field["$ref"].rsplit("/", 1)[-1]
        return f"[{name}](#{name.lower()})"
    if "enum" in field:
        return " or ".join(f"`{value}`" for value in field["enum"])
    if "const" in field:
        return f"`{field['const']}`"
    alternatives = field.get("anyOf") or field.get("oneOf")
    if alternatives:
        return " or ".join(_type(kind) for kind in alternatives)
    if field.get("type") == "array":
        return f"list of {_type(field['items'])}"
    if field.get("type") == "object":
        values = field.get("additionalProperties") or next(
            iter(field.get("patternProperties", {}).values())
        )
        return f"map of name to {_type(values)}" if isinstance(values, dict) else "object"
    return str(field["type"])


if __name__ == "__main__":
    write_pages()
