"""Prompt strategies of a dataset: what they read, which it can have, which are evaluated."""

from __future__ import annotations

from typing import Any

from susx.config.datasets import WRITTEN
from susx.config.texts import Descriptions
from susx.core.errors import InputError
from susx.manifests.names import description_keys
from susx.methods import METHODS
from susx.planning.datasets import name_source
from susx.planning.paths import OptionalFile, existing
from susx.planning.setup import Setup


def strategy_sources(setup: Setup, strategy: str) -> dict[str, str]:
    """Source of a prompt strategy, or of each part of a combined one, by name."""
    prompts = setup.config.prompts
    return {name: prompts[name].source for name in prompts[strategy].of or [strategy]}


def has_own_texts(setup: Setup, dataset: str) -> bool:
    """Whether the features of a dataset were published with their texts."""
    return dataset in setup.features and not setup.features[dataset].encoder


def lacking_texts(setup: Setup, dataset: str, strategy: str) -> str | None:
    """Key of the texts that a prompt strategy reads but the dataset does not have, or None."""
    if has_own_texts(setup, dataset):
        there = strategy in setup.feature_files[dataset].texts
        return None if there else f"text {strategy} of datasets.{dataset}.features"
    for source in strategy_sources(setup, strategy).values():
        if source in WRITTEN and getattr(setup.datasets[dataset], source) is None:
            return f"datasets.{dataset}.{source}"
    return None


def text_file(setup: Setup, dataset: str, strategy: str, source: str) -> OptionalFile:
    """The dataset's file of a prompt source, if the strategy reads it.

    It is named in the configuration, or a language model writes it.

    Raises:
        InputError: if the strategy reads it, and it is neither named nor written.
    """
    if source not in strategy_sources(setup, strategy).values():
        return []
    if lacking := lacking_texts(setup, dataset, strategy):
        raise InputError(
            f"config.yaml: {lacking}: not set, but prompt strategy {strategy} reads it"
        )
    texts = getattr(setup.datasets[dataset], source)
    if isinstance(texts, Descriptions):
        return f"{setup.work}/{dataset}/{source}.json"
    return existing(texts, f"datasets.{dataset}.{source}")


def text_files(setup: Setup, dataset: str, strategy: str) -> dict[str, OptionalFile | None]:
    """The files of all prompt sources, None where the strategy does not read one."""
    return {source: text_file(setup, dataset, strategy, source) or None for source in WRITTEN}


def prompt_settings(setup: Setup, dataset: str, strategy: str) -> dict[str, Any]:
    """Templates of a dataset, and the seed of a strategy's random descriptors if it has some."""
    templates = setup.datasets[dataset].model_dump(include={"template", "ensemble"})
    prompts = setup.config.prompts
    parts = strategy_sources(setup, strategy)
    seeds = [prompts[part].seed or 0 for part, source in parts.items() if source == "waffle"]
    return templates | ({"waffle": seeds[0]} if seeds else {})


def described_keys(setup: Setup, dataset: str) -> dict[str, Any]:
    """What the card that the classes come from says of the keys of description files."""
    return description_keys(name_source(setup, dataset)["card"])


def configured_texts(setup: Setup, dataset: str) -> list[str]:
    """Prompt strategies under the methods that do not name their own."""
    if chosen := setup.entries[dataset].texts or setup.config.evaluation.texts:
        return chosen
    known = ["cupl+e", "ensemble"]
    if has_own_texts(setup, dataset):
        known += setup.feature_files[dataset].texts
    prompts = setup.config.prompts
    there = (t for t in known if t in prompts and not lacking_texts(setup, dataset, t))
    return [next(there, "ensemble")]


def evaluated_texts(setup: Setup, dataset: str) -> list[str]:
    """Prompt strategies that the evaluated methods use, in order."""
    configured = configured_texts(setup, dataset)
    texts = [
        text
        for name in setup.config.evaluation.methods
        for text in METHODS[name].texts or configured
    ]
    return list(dict.fromkeys(texts))


def unavailable_texts(setup: Setup, dataset: str) -> dict[str, str]:
    """Evaluated prompt strategies that the dataset cannot have, with the reason."""
    texts = evaluated_texts(setup, dataset)
    lacking = {text: lacking_texts(setup, dataset, text) for text in texts}
    return {text: f"{key} is not set" for text, key in lacking.items() if key}


def available_texts(setup: Setup, dataset: str) -> list[str]:
    """Evaluated prompt strategies that the dataset can have, in order."""
    texts = evaluated_texts(setup, dataset)
    return [text for text in texts if not lacking_texts(setup, dataset, text)]


def prompt_file(setup: Setup, dataset: str, text: str) -> str:
    """Texts of a prompt strategy."""
    return f"{setup.work}/{dataset}/prompts/{text}.json"


def prompt_files(setup: Setup, dataset: str) -> list[str]:
    """Texts that a dataset is evaluated with; features published with their texts have none."""
    if has_own_texts(setup, dataset):
        return []
    return [prompt_file(setup, dataset, text) for text in available_texts(setup, dataset)]
