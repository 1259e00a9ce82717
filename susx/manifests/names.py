"""Where a dataset's class names come from, and how others call them: a list, a file, a card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from susx.config.cards import load_card
from susx.manifests.classes import ClassManifest, class_manifest, read_class_list


def named_classes(
    classes: str | Sequence[str | Mapping[str, Any]] | None, card: str | None, key: str
) -> ClassManifest:
    """Build the manifest of a dataset's classes.

    Args:
        classes: text file, or entries; they win over those of the card.
        card: dataset card.
        key: of the entries in config.yaml, for error messages.

    Raises:
        InputError: if a file is missing or unusable, or a name is.
    """
    if isinstance(classes, str):
        return class_manifest(read_class_list(classes), classes)
    if classes:
        return class_manifest(classes, key)
    return class_manifest(load_card(str(card)).model_dump()["classes"], str(card))


def description_keys(card: str | None) -> dict[str, Any]:
    """What a card says of the keys of description files: `described_as`, `described_besides`.

    Raises:
        InputError: if the card is missing or broken.
    """
    if card is None:
        return {}
    said = load_card(card).model_dump(include={"described_as", "described_besides"})
    return said if any(said.values()) else {}
