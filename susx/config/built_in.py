"""Built-in cards in section `datasets`: where their files lie, and what an entry may leave out."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from susx.config.cards import built_in_cards
from susx.config.types import expanded_path
from susx.core.errors import InputError

VARIABLE = "SUSX_DATA"
"""Variable of the environment that tells where datasets lie, where `roots.data` does not."""
OF_IMAGES = {"test", "validation", "train", "unlabelled", "root"}
"""Keys of `images` that name a place."""


def data_folder(given: str | None) -> str:
    """Folder whose subfolders hold the datasets of built-in cards.

    Args:
        given: what the configuration says.

    Raises:
        InputError: if the variable of the environment names no folder.
    """
    if given or not (said := os.environ.get(VARIABLE)):
        return given or "data"
    try:
        return expanded_path(said)
    except ValueError as error:
        raise InputError(f"{VARIABLE}: {error}") from None


def completed_entry(name: str, entry: Any, folder: str) -> Any:
    """An entry as it is written, with what its name or card tells where it says nothing.

    An entry that is called like a built-in card takes that card, if it names no card, and not both
    classes and images. Images of a built-in card are looked for in `{folder}/{card}`, if it names
    no place. Entries of published features stay as they are.
    """
    known = built_in_cards()
    if entry is None:
        entry = {}
    if not isinstance(entry, Mapping) or "features" in entry:
        return entry
    if name in known and "card" not in entry and not {"classes", "images"} <= entry.keys():
        entry = {"card": name, **entry}
    images = entry.get("images", {})
    if entry.get("card") not in known or not isinstance(images, Mapping):
        return entry
    if OF_IMAGES & images.keys():
        return entry
    return {**entry, "images": {"root": f"{folder}/{entry['card']}", **images}}
