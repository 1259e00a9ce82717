"""Support sets of a dataset: which it can have, which are compared, what few-shot ones are."""

from __future__ import annotations

from typing import Any

from susx.config.supports import FewShot
from susx.methods import METHODS
from susx.planning.datasets import lacking_split
from susx.planning.setup import Setup


def support_folder(setup: Setup, dataset: str, support: str) -> str:
    """Folder of a support set and of what it is made from."""
    return f"{setup.work}/{dataset}/support/{support}"


def wanted_supports(setup: Setup) -> list[str]:
    """Entries of `supports` that are compared."""
    wanted = setup.config.evaluation.supports
    return list(setup.config.supports) if wanted is None else wanted


def unavailable_supports(setup: Setup, dataset: str) -> dict[str, str]:
    """Few-shot support sets that the dataset cannot have, with the reason."""
    reason = None if dataset in setup.features else lacking_split(setup, dataset, "train")
    if reason is None:
        return {}
    return {name: reason for name in wanted_supports(setup) if name in setup.few_shot}


def evaluated_supports(setup: Setup, dataset: str) -> list[str]:
    """Support sets that are compared, few-shot ones once per seed."""
    if not any(METHODS[method].needs_support for method in setup.config.evaluation.methods):
        return []
    if dataset in setup.features:
        return list(setup.feature_files[dataset].supports)
    wanted, unavailable = wanted_supports(setup), unavailable_supports(setup, dataset)
    return [name for name in [*setup.retrieved, *setup.synthesised] if name in wanted] + [
        name
        for name, (entry, _) in setup.seeds.items()
        if entry in wanted and entry not in unavailable
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
