"""Section `supports` of config.yaml: retrieval and few shots; synthesis has its own module."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from susx.config.synthesis import Synthesis
from susx.config.types import Count, Finite, Positive, Section, WithoutRepeats


class Retrieval(Section):
    """A support set (SuS) found from class names alone: the nearest images of a pool."""

    source: Literal["retrieval"] = Field(description="Kind of support set.")
    pool: str = Field(description="Pool to search.")
    encoder: str | None = Field(
        None,
        description="Encoder of queries and pool. Pools with `embeddings` name their own; images "
        "found by `captions` or a `service` are ranked again by it.",
    )
    query: str = Field("photo", description="Prompt strategy whose texts are the queries.")
    size: Positive = Field(16, description="Images per class.")
    candidates: Positive | None = Field(
        None,
        description="Candidates per image wanted; if left out 2, or 10 where they are downloaded, "
        "because many links are dead.",
    )
    select: Literal["top", "agree", "diverse"] = Field(
        "top",
        description="`top`: the best ranked candidates, as in the paper; `agree`: of those, the "
        "ones that the encoder itself assigns to the class; `diverse`: greedy k-centre, always the "
        "one least like those chosen.",
    )
    margin: Finite = Field(
        0.0, description="`agree`: least lead, in cosine, of the class over all others."
    )
    max_cosine: Annotated[Finite, Field(gt=0, lt=1)] | None = Field(
        None,
        description="Images whose embedding has a larger cosine with that of a better candidate "
        "are near duplicates, as are, always, those that look the same. What is near depends on "
        "the encoder.",
    )
    refuse: dict[str, Finite | str] = Field(
        {"punsafe": 0.5, "pwatermark": 0.8, "NSFW": "NSFW", "nsfw": "NSFW"},
        description="Columns of the pool's metadata that refuse a candidate: a number is the "
        "largest allowed, a text the one that is not.",
    )


class FewShot(Section):
    """A support set of labelled training images, for comparison: not from class names alone."""

    source: Literal["few-shot"] = Field(description="Kind of support set.")
    size: Positive = Field(16, description="Images per class (K).")
    seeds: Annotated[list[Count], WithoutRepeats] = Field(
        [0, 1, 2], min_length=1, description="One draw per seed; results give mean and deviation."
    )
    views: Count = Field(
        10,
        description="Random crops and mirrorings per image whose embeddings are averaged, as in "
        "the few-shot papers; 0 embeds the image as it is.",
    )


Support = Annotated[Retrieval | FewShot | Synthesis, Field(discriminator="source")]


def draw_name(entry: str, seed: int) -> str:
    """What one draw of a few-shot entry is called: a support set of its own."""
    return f"{entry}-seed{seed}"


def draws_of(supports: Mapping[str, Support]) -> dict[str, tuple[str, int]]:
    """Entry and seed of every draw of some support sets, by its `draw_name`."""
    return {
        draw_name(entry, seed): (entry, seed)
        for entry, support in supports.items()
        if isinstance(support, FewShot)
        for seed in support.seeds
    }
