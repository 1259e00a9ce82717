"""Counts of class names in captions, of which prompts take the most frequent name."""

from __future__ import annotations

from susx.config.frequent_names import counted_support
from susx.planning.retrieval import pool_of
from susx.planning.setup import Setup
from susx.planning.supports import support_folder
from susx.planning.texts import strategy_sources

SOURCE = "frequent_names"


def counting_support(setup: Setup, strategy: str) -> str | None:
    """Support set whose search counts names for a strategy; None if it needs no counts.

    Raises:
        InputError: if it needs some, and no captions are searched.
    """
    parts = [part for part, source in strategy_sources(setup, strategy).items() if source == SOURCE]
    return counted_support(setup.config, parts[0]) if parts else None


def count_files(setup: Setup, dataset: str, strategy: str) -> list[str]:
    """Counts of names that a strategy needs, one file per shard of the pool.

    Raises:
        InputError: as `counting_support` does.
    """
    support = counting_support(setup, strategy)
    if support is None:
        return []
    folder = f"{support_folder(setup, dataset, support)}/names"
    return [f"{folder}/{shard}.json" for shard in pool_of(setup, support)]


def counted_pool(setup: Setup, strategy: str) -> str | None:
    """Pool whose captions are counted, None if a strategy needs no counts.

    Raises:
        InputError: as `counting_support` does.
    """
    support = counting_support(setup, strategy)
    return setup.retrieved[support].pool if support else None
