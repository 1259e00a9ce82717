"""Built-in cards in section `datasets`: where their files lie, and what an entry may leave out."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

from susx.config.cards import built_in_cards
from susx.core.errors import suggestion

VARIABLE = "SUSX_DATA"
"""Variable of the environment that tells where datasets lie, where `roots.data` does not."""
OF_IMAGES = {"test", "validation", "train", "unlabelled", "root"}
"""Keys of `images` that name a place."""


def data_folder(given: str | None) -> str:
    """Folder whose subfolders hold the datasets of built-in cards."""
    return given or os.environ.get(VARIABLE) or "data"


def with_near_card(problem: str) -> str:
    """What is wrong with an entry that says too little, with the built-in card that it may mean."""
    found = re.fullmatch(r"datasets\.([^.:]+): give `.*", problem)
    return problem + suggestion(found[1], built_in_cards()) if found else problem


def completed_entry(name: str, entry: Any, folder: str) -> Any:
    """An entry as it is written, with what its name or card tells where it says nothing.

    An entry that is called like a built-in card takes that card, if it names no card, and not both
    classes and images. Images of a built-in card are looked for in `{folder}/{card}`, if it names
    no place. Entries of published features stay as they are.
    """
    known = built_in_cards()
    if entry is None and name in known:
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
