"""What editors need to complete and check a configuration: its schema, and a line that names it."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

from pydantic import BaseModel

SCHEMA_FILE = "config.schema.json"
"""The schema beside config.yaml in a folder that `susx init` made."""
MODELINE = re.compile(r"^# yaml-language-server: \$schema=(\S+)$", re.MULTILINE)
"""As the YAML language server reads it, which most editors use."""


def modeline(schema: str) -> str:
    """The line for a schema: an address, or a path relative to the file that has the line."""
    return f"# yaml-language-server: $schema={schema}"


def schema_text(model: type[BaseModel]) -> str:
    """JSON schema of a model, as a file."""
    return json.dumps(model.model_json_schema(), indent=1) + "\n"


def modeline_like(text: str, place: Path, target: Path) -> str | None:
    """The line of a configuration for another file.

    Args:
        text: of the configuration.
        place: where that is.
        target: the file that is to have the same schema.

    Returns:
        None if the configuration has no such line.
    """
    found = MODELINE.search(text)
    if found is None or "://" in found[1]:
        return found and found[0]
    path = os.path.relpath(place.resolve().parent / found[1], target.resolve().parent)
    return modeline(Path(path).as_posix())
