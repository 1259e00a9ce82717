"""Which captions a prompt strategy counts the names of classes in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from susx.config.pools import CaptionPool
from susx.config.supports import Retrieval
from susx.core.errors import InputError, listing

if TYPE_CHECKING:
    from susx.config.schema import Config


def counted_support(config: Config, strategy: str) -> str:
    """The support set whose search of captions counts the names that a strategy needs.

    Any support set of the pool will do, as all count the whole pool; it is the first one.

    Raises:
        InputError: if no pool can be meant, or none of its captions are searched.
    """
    pool, key = config.prompts[strategy].pool, f"config.yaml: prompts.{strategy}"
    if pool is not None and not isinstance(config.pools.get(pool), CaptionPool):
        raise InputError(
            f"{key}.pool: {pool} is no pool of layout `captions`; others are searched by "
            "similarity, which counts no names"
        )
    searched: dict[str, str] = {}
    for name, support in config.supports.items():
        if not isinstance(support, Retrieval) or pool not in (None, support.pool):
            continue
        if isinstance(config.pools[support.pool], CaptionPool):
            searched.setdefault(support.pool, name)
    if not searched:
        missing = f"pool {pool}" if pool else "a pool of layout `captions` (docs/pools.md)"
        raise InputError(
            f"{key}: counts names of classes in captions, but no support set is retrieved from "
            f"{missing}; add one under `supports`, or leave out the methods and texts that use "
            f"{strategy}"
        )
    if len(searched) > 1:
        raise InputError(
            f"{key}.pool: missing; name the one whose captions are counted: {listing(searched)}"
        )
    return next(iter(searched.values()))
