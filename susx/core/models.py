"""Models as files on this machine."""

from __future__ import annotations

from pathlib import Path

from susx.core.stamps import files_below

FOR_PEOPLE = (".md",)
"""Suffix of model cards, which no library reads a model from."""


def files_of_model(model: str) -> list[str]:
    """A model's file, or all files of its folder; none for a hub identifier.

    Which of them a library reads is its own affair, and differs between its versions; left out are
    hidden files and what is written for people.
    """
    path = Path(model)
    if path.is_file():
        return [model]
    if not path.is_dir():
        return []
    found = (name for name, stamp in files_below(model) if stamp and not name.endswith(FOR_PEOPLE))
    return [f"{model}/{name}" for name in found if not Path(name).name.startswith(".")]
