"""Generate docs/config.md and docs/config.schema.json from the schema of config.yaml."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from susx.config import Card, Config

DOCS = Path(__file__).parents[1] / "docs"
INTRODUCTION = """# config.yaml

Generated from `susx/config.py` by `make docs`; do not edit. The same as a JSON schema, for
editors: `config.schema.json`. Unknown keys are errors. Paths are relative to the folder that
Snakemake runs in.
"""


def json_schema() -> str:
    """JSON schema of config.yaml."""
    return json.dumps(Config.model_json_schema(), indent=1) + "\n"


def markdown() -> str:
    """Reference of all keys: one table per section."""
    config, card = Config.model_json_schema(), Card.model_json_schema()
    parts = [INTRODUCTION, *_section("Top level", config)]
    for name, section in config["$defs"].items():
        parts += _section(name, section)
    parts += _section("Card", card, "A file of its own, named by `datasets.{name}.card`.")
    return "\n".join(parts)


def write_docs(folder: Path = DOCS) -> None:
    """Write both files."""
    (folder / "config.md").write_text(markdown(), "utf-8")
    (folder / "config.schema.json").write_text(json_schema(), "utf-8")


def _section(name: str, schema: dict[str, Any], note: str = "") -> Iterator[str]:
    yield f"## {name}\n"
    yield f"{schema.get('description', '')} {note}".strip() + "\n"
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
    options = field.get("anyOf") or field.get("oneOf")
    if options:
        kinds = [_type(kind) for kind in options if kind.get("type") != "null"]
        return " or ".join(kinds)
    if field["type"] == "array":
        return f"list of {_type(field['items'])}"
    if field["type"] == "object":
        values = field.get("additionalProperties") or next(
            iter(field.get("patternProperties", {}).values())
        )
        return f"map of name to {_type(values)}"
    return str(field["type"])


if __name__ == "__main__":
    write_docs()
