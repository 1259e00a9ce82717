"""Datasets of a configuration: entries of section `datasets`, and built-in cards without one."""

from __future__ import annotations

from pathlib import Path

from susx.config.built_in import completed_entry, data_folder
from susx.config.cards import built_in_cards, load_card
from susx.config.datasets import WRITTEN, Dataset, with_card
from susx.config.schema import Config


def dataset_names(config: Config) -> list[str]:
    """Entries of `datasets`, then the built-in cards that have none."""
    return list(dict.fromkeys([*config.datasets, *built_in_cards()]))


def dataset_entry(config: Config, name: str) -> Dataset:
    """The entry of a dataset, or what stands for it, filled from `defaults` but not from its card.

    Raises:
        KeyError: if there is neither an entry nor a built-in card of this name.
    """
    if name not in config.datasets and name not in built_in_cards():
        raise KeyError(name)
    folder = data_folder(config.roots.data)
    entry = config.datasets.get(name) or Dataset.model_validate(completed_entry(name, {}, folder))
    if entry.features:
        return entry
    unsaid = [key for key in WRITTEN if key not in entry.model_fields_set]
    return entry.model_copy(update={key: getattr(config.defaults, key) for key in unsaid})


def dataset_section(config: Config, name: str) -> Dataset:
    """The same, filled from its card, with the folder that its files lie in.

    Raises:
        InputError: if its card is missing or broken, or does not fit.
        KeyError: as `dataset_entry` does.
    """
    entry = dataset_entry(config, name)
    key = f"config.yaml: datasets.{name}.card: " if name in config.datasets else ""
    filled, folder = with_card(entry, key), Path(data_folder(config.roots.data))
    images = filled.images
    if filled.card not in built_in_cards() or images is None or images.root is None:
        return filled
    usual = folder / filled.card
    if Path(images.root) != usual or (usual.is_dir() and any(usual.iterdir())):
        return filled
    others = (folder / other for other in load_card(filled.card).folders)
    found = next((str(other) for other in others if other.is_dir()), images.root)
    return filled.model_copy(update={"images": images.model_copy(update={"root": found})})
