"""What a result shows of the configuration that it was made with."""

from __future__ import annotations

from typing import Any

from susx.config.datasets import Dataset
from susx.config.entries import dataset_section
from susx.config.frequent_names import counted_support
from susx.config.schema import Config
from susx.config.supports import Retrieval
from susx.config.texts import Descriptions
from susx.methods import METHODS

WHOLE = {"prompts", "download", "evaluation"}
"""Sections that are shown as they are."""
HIDDEN: dict[str, Any] = {
    "download": {"user_agent"},
    "language_models": {"__all__": {"api_key_variable"}},
}
"""Keys of these that say who runs it, not what comes out."""


def evaluated_config(config: Config, dataset: str) -> dict[str, Any]:
    """The part of a configuration that the evaluation of a dataset follows from, as plain values.

    Of named entries those are part of it that the dataset uses.

    Raises:
        InputError: if the card of the dataset is missing or broken, or class names are to be
            counted in captions that are not searched.
        KeyError: if there is no such dataset.
    """
    section = dataset_section(config, dataset)
    used = used_entries(config, section)
    dumped = config.model_dump(include=WHOLE | used.keys(), exclude=HIDDEN)
    chosen = {
        name: {entry: values for entry, values in dumped[name].items() if entry in entries}
        for name, entries in used.items()
    }
    return dumped | chosen | {"dataset": section.model_dump()}


def used_entries(config: Config, section: Dataset) -> dict[str, set[str]]:
    """Names of the entries of sections that the evaluation of a dataset uses.

    Args:
        config: the configuration.
        section: of the dataset, filled from its card.
    """
    supports = {*chosen_supports(config, section), *_counting(config, section)}
    entries = [config.supports[name] for name in supports]
    searches = [entry for entry in entries if isinstance(entry, Retrieval)]
    pools = {entry.pool for entry in searches}
    encoders: set[str | None] = {*chosen_encoders(config, section)} if section.images else set()
    encoders |= {entry.encoder for entry in searches}
    encoders |= {getattr(config.pools[name], "encoder", None) for name in pools}
    encoders |= {section.features.encoder} if section.features else set()
    written = (section.descriptions, section.descriptors)
    return {
        "encoders": {name for name in encoders if name},
        "language_models": {text.model for text in written if isinstance(text, Descriptions)},
        "pools": pools,
        "supports": supports,
    }


def _counting(config: Config, section: Dataset) -> set[str]:
    """Support sets whose search of captions counts the names that prompts are made of."""
    if section.features and not section.features.encoder:
        return set()  # they come with their texts
    evaluation, prompts = config.evaluation, config.prompts
    own = [text for method in evaluation.methods for text in METHODS[method].texts]
    texts = {*own, *(section.texts or evaluation.texts or [])}
    parts = {part for text in texts for part in prompts[text].of or [text]}
    counting = (part for part in parts if prompts[part].source == "frequent_names")
    return {counted_support(config, part) for part in counting}


def chosen_encoders(config: Config, section: Dataset) -> list[str]:
    """Encoders that are compared on a dataset of images."""
    return section.encoders or config.evaluation.encoders or list(config.encoders)


def chosen_supports(config: Config, section: Dataset) -> list[str]:
    """Entries of `supports` that are compared on a dataset, if it can have them."""
    for chosen in (section.supports, config.evaluation.supports):
        if chosen is not None:
            return chosen
    return list(config.supports)
