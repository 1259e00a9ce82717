"""Support sets that are retrieved: pools, queries, candidates, and what chooses among them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from susx.config.pools import CaptionPool, EmbeddingPool
from susx.planning.caches import text_cache
from susx.planning.encoders import running_settings
from susx.planning.paths import OptionalFile, apart
from susx.planning.resources import Inputs, memory_mb
from susx.planning.setup import AnyShard, Setup
from susx.planning.supports import support_folder
from susx.planning.texts import configured_texts, prompt_file

SEARCH_MB = 2000
"""Of a search without input: imports, and blocks of rows that are compared at once."""
CANDIDATES = {False: 2, True: 10}
"""Candidates per image wanted; downloaded or not, because many links are dead."""
CANDIDATE_MB = 1.5e-3
"""Of a hit in memory, with its address, caption and metadata; 0.6 to 1.2 KB were measured
(tests/memory), with short ones."""
ASKING_MB = {"queries": 2.2e-3, "prompts": 0.03e-3, "classes": 0.1e-3}
"""Of what has a list of hits of its own, in the file of an input: of a text that is embedded in 512
numbers of single precision, of a text of some words, of a class with a short name."""
UNSEEN = {"path", "caption_column", "metadata_columns"}
"""Fields of a shard that do not tell which images it has."""


def pool_of(setup: Setup, support: str) -> Mapping[str, AnyShard]:
    """Shards of the pool that a support set is retrieved from, by name."""
    return setup.shards[setup.retrieved[support].pool]


def retrieved_from_images(setup: Setup) -> list[str]:
    """Support sets whose pools have images, so that nothing is downloaded."""
    return [name for name in setup.retrieved if name not in setup.downloaded]


def pool_source(setup: Setup, support: str) -> str:
    """What tables of support images say of where they come from."""
    return f"retrieval from {setup.retrieved[support].pool}"


def query_encoder(setup: Setup, support: str) -> str | None:
    """Encoder of the texts that a support set is retrieved or ranked again with, or None."""
    entry = setup.retrieved[support]
    pool = setup.config.pools[entry.pool]
    return pool.encoder if isinstance(pool, EmbeddingPool) else entry.encoder


def query_cache(setup: Setup, dataset: str, support: str) -> OptionalFile:
    """Cache of the texts that a support set is retrieved or ranked again with, if any."""
    encoder, query = query_encoder(setup, support), setup.retrieved[support].query
    return text_cache(setup, encoder, dataset, query) if encoder else []


def query_prompts(setup: Setup, dataset: str, support: str) -> str | None:
    """Texts that found the images of a support set; None where none did, but names in captions."""
    entry = setup.retrieved.get(support)
    if entry is None or isinstance(setup.config.pools[entry.pool], CaptionPool):
        return None
    return prompt_file(setup, dataset, entry.query)


def shard_file(setup: Setup, pool: str, shard: str) -> str:
    """File or folder of a shard of images.

    Raises:
        InputError: if it is not there, or lies where the pipeline writes.
    """
    return apart(setup, setup.shards[pool][shard].path, f"pools.{pool}.path")


def image_source(setup: Setup, pool: str, shard: str) -> dict[str, Any]:
    """What tells which images a shard has, wherever it lies; captions do not."""
    fields = setup.shards[pool][shard].settings
    return {key: value for key, value in fields.items() if key not in UNSEEN}


def shard_runs(setup: Setup, encoder: str, pool: str, shard: str) -> dict[str, Any]:
    """How the embedding of a shard runs, and where the shard lies."""
    path = setup.shards[pool][shard].path
    return {"runs": running_settings(setup, encoder), "path": path}


def shard_cache(setup: Setup, support: str, shard: str) -> str:
    """Cache of a shard, embedded by the encoder of the queries."""
    entry = setup.retrieved[support]
    return f"{setup.cache}/{entry.encoder}/pools/{entry.pool}/{shard}.h5"


def shard_paths(setup: Setup, support: str) -> list[str]:
    """Files and folders of the pool that a support set is chosen from."""
    return sorted({shard.path for shard in pool_of(setup, support).values()})


def shard_fields(setup: Setup, support: str) -> dict[str, dict[str, Any]]:
    """All that is known of the shards of the pool, by name."""
    return {name: shard.settings for name, shard in pool_of(setup, support).items()}


def candidate_files(setup: Setup, dataset: str, support: str) -> list[str]:
    """Candidates of a support set, one file per shard."""
    folder = f"{support_folder(setup, dataset, support)}/candidates"
    return [f"{folder}/{shard}.parquet" for shard in pool_of(setup, support)]


def candidate_limit(setup: Setup, support: str) -> int:
    """Number of candidates per query and class of a support set."""
    entry = setup.retrieved[support]
    return entry.size * (entry.candidates or CANDIDATES[support in setup.downloaded])


def found_memory(
    setup: Setup,
    support: str,
    input: Inputs,
    attempt: int,
    of: str,
    factors: Mapping[str, float],
) -> int:
    """Memory of a search in MB, which holds all hits until they are written.

    Args:
        setup: of the run.
        support: support set that is searched for.
        input: files of the job.
        attempt: from 1.
        of: input of those whose hits are limited one by one, see `ASKING_MB`.
        factors: MB per MB of other parts of the input, and of this one beside its hits.
    """
    hits = candidate_limit(setup, support) * CANDIDATE_MB / ASKING_MB[of]
    needed = {**factors, of: factors.get(of, 0) + hits}
    return memory_mb(input, attempt, SEARCH_MB, factors=needed)


def candidate_caches(setup: Setup, support: str) -> list[str]:
    """Caches of the candidates' shards, for choices that look at more than the ranking."""
    if not compares_embeddings(setup, support):
        return []
    return [shard_cache(setup, support, shard) for shard in pool_of(setup, support)]


def agreeing_text(setup: Setup, dataset: str, support: str) -> list[str]:
    """Cache of the texts that must agree with the choice of a candidate."""
    if setup.retrieved[support].select != "agree":
        return []
    encoder, text = query_encoder(setup, support), configured_texts(setup, dataset)[0]
    return [text_cache(setup, encoder, dataset, text)]


def selection(setup: Setup, support: str) -> dict[str, Any]:
    """How the images of a support set are chosen among its candidates."""
    keys = {"size", "select", "margin", "max_cosine", "refuse"}
    return setup.retrieved[support].model_dump(include=keys)


def compares_embeddings(setup: Setup, support: str) -> bool:
    """Whether the choice of images looks at more than the ranking."""
    entry = setup.retrieved[support]
    return entry.select != "top" or entry.max_cosine is not None
