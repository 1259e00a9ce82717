"""Support sets of a dataset: which it can have, which are compared, what few-shot ones are."""

from __future__ import annotations

from typing import Any

from susx.config.shown import chosen_supports
from susx.config.supports import FewShot
from susx.methods import METHODS
from susx.planning.datasets import absent_split, lacking_split
from susx.planning.setup import Setup
from susx.planning.texts import lacking_texts


def support_folder(setup: Setup, dataset: str, support: str) -> str:
    """Folder of a support set and of what it is made from."""
    return f"{setup.work}/{dataset}/support/{support}"


def wanted_supports(setup: Setup, dataset: str) -> list[str]:
    """Entries of `supports` that are compared on a dataset, if it can have them."""
    return chosen_supports(setup.config, setup.entries[dataset])


def unavailable_supports(setup: Setup, dataset: str) -> dict[str, str]:
    """Entries that the dataset cannot have, with the reason."""
    if dataset in setup.features:
        return {}
    reasons = {name: _lacking(setup, dataset, name) for name in wanted_supports(setup, dataset)}
    return {name: reason for name, reason in reasons.items() if reason}


def _lacking(setup: Setup, dataset: str, entry: str) -> str | None:
    """What a dataset lacks for a support set: training images, or the texts of its queries."""
    support = setup.config.supports[entry]
    if isinstance(support, FewShot):
        return lacking_split(setup, dataset, "train") or absent_split(setup, dataset, "train")
    key = lacking_texts(setup, dataset, support.query)
    return f"{key} is not set, and prompt strategy {support.query} reads it" if key else None


def evaluated_supports(setup: Setup, dataset: str) -> list[str]:
    """Support sets that are compared, few-shot ones once per seed."""
    if not any(METHODS[method].needs_support for method in setup.config.evaluation.methods):
        return []
    if dataset in setup.features:
        return list(setup.feature_files[dataset].supports)
    unavailable = unavailable_supports(setup, dataset)
    wanted = [name for name in wanted_supports(setup, dataset) if name not in unavailable]
    return [name for name in [*setup.retrieved, *setup.synthesised] if name in wanted] + [
        name for name, (entry, _) in setup.seeds.items() if entry in wanted
    ]


def few_shot(setup: Setup, support: str) -> FewShot:
    """Settings of a few-shot support set."""
    return setup.few_shot[setup.seeds[support][0]]


def few_shot_size(setup: Setup, support: str) -> int:
    """Images per class of a few-shot support set."""
    return few_shot(setup, support).size


def few_shot_seed(setup: Setup, support: str) -> int:
    """Seed of a few-shot support set."""
    return setup.seeds[support][1]


def support_views(setup: Setup, support: str) -> dict[str, Any]:
    """Random views per image of a few-shot support set, and their seed; nothing for others."""
    if support not in setup.seeds:
        return {}
    return {"views": few_shot(setup, support).views, "seed": few_shot_seed(setup, support)}
