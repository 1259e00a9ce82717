"""Support sets from the web: pools without images, and the encoder that judges downloads."""

from __future__ import annotations

from typing import Any, cast

from susx.config.pools import EmbeddingPool
from susx.planning.caches import text_cache
from susx.planning.encoders import (
    encoder_settings,
    hub_models,
    listed_models,
    model_files,
    running_settings,
)
from susx.planning.paths import existing
from susx.planning.resources import gpus
from susx.planning.retrieval import (
    agreeing_text,
    compares_embeddings,
    pool_of,
    pool_source,
    query_encoder,
)
from susx.planning.setup import Setup
from susx.planning.supports import support_folder
from susx.planning.texts import prompt_file
from susx.pools.web import WebShard
from susx.web.etiquette import crawler

FETCHED_BY = {"threads", "user_agent"}
"""Keys of `download` that say how a download runs."""
RULES_NOT = {*FETCHED_BY, "wave_factor", "rerank"}
"""Keys of `download` that are no rules of what is kept; the last two are in `wanted_images`."""


def searched_as(setup: Setup, layout: str) -> list[str]:
    """Support sets whose pool has a layout, or is searched by an `index`."""
    return [name for name, own in setup.layouts.items() if own == layout]


def web_shard(setup: Setup, support: str, shard: str) -> WebShard:
    """A shard of the pool of a support set whose images are downloaded."""
    return cast(WebShard, pool_of(setup, support)[shard])


def shard_settings(setup: Setup, support: str, shard: str) -> dict[str, Any]:
    """What is known of such a shard."""
    return web_shard(setup, support, shard).settings


def local_shard(setup: Setup, support: str, shard: str) -> list[str]:
    """Files of such a shard that are on this machine.

    Raises:
        InputError: if one is missing.
    """
    key = f"pools.{setup.retrieved[support].pool}.path"
    return [existing(path, key) for path in web_shard(setup, support, shard).local_files]


def index_file(setup: Setup, support: str, shard: str) -> str:
    """Index that a support set is searched in.

    Raises:
        InputError: if it is missing.
    """
    key = f"pools.{setup.retrieved[support].pool}.index"
    return existing(web_shard(setup, support, shard).path, key)


def service_prompts(setup: Setup, dataset: str, support: str) -> str:
    """Texts that a service is asked with."""
    return prompt_file(setup, dataset, setup.retrieved[support].query)


def service_settings(setup: Setup, support: str) -> dict[str, Any]:
    """Settings of the service that a support set is retrieved from."""
    return setup.config.pools[setup.retrieved[support].pool].model_dump()


def service_runs(setup: Setup, dataset: str, support: str) -> dict[str, str]:
    """Where the answers of a service are kept."""
    return {"folder": f"{support_folder(setup, dataset, support)}/answers"}


def local_images(setup: Setup, support: str) -> str:
    """Folder of the images of a pool that has paths in place of addresses, or nothing."""
    pool = setup.config.pools[setup.retrieved[support].pool]
    return (pool.images or "") if isinstance(pool, EmbeddingPool) else ""


def wanted_images(setup: Setup, support: str) -> dict[str, Any]:
    """How many images of the web are kept and downloaded per class."""
    entry, settings = setup.retrieved[support], setup.config.download
    return {
        "size": entry.size,
        "quota": entry.size * (settings.rerank if judging_encoder(setup, support) else 1),
        "wave_factor": settings.wave_factor,
        "source": pool_source(setup, support),
        "refuse": entry.refuse,
    }


def download_rules(setup: Setup) -> dict[str, Any]:
    """Rules of what is kept of the web."""
    return setup.config.download.model_dump(exclude=RULES_NOT)


def download_crawler(setup: Setup) -> str:
    """Name by which hosts speak of the downloads."""
    return crawler(setup.config.download.user_agent)


def download_runs(setup: Setup, dataset: str, support: str) -> dict[str, Any]:
    """How a download runs, and how the encoder that judges its images does."""
    judge = judging_encoder(setup, support)
    return {
        "folder": f"{support_folder(setup, dataset, support)}/downloads",
        "fetch": setup.config.download.model_dump(include=FETCHED_BY),
        "encoder": running_settings(setup, judge) if judge else {},
        "images": local_images(setup, support),
    }


def judging_encoder(setup: Setup, support: str) -> str | None:
    """Encoder that downloaded images are judged by, or None."""
    own = setup.retrieved[support].encoder
    return query_encoder(setup, support) if own or compares_embeddings(setup, support) else None


def judge_settings(setup: Setup, support: str) -> dict[str, Any] | None:
    """Settings of the encoder that downloaded images are judged by, or None."""
    judge = judging_encoder(setup, support)
    return encoder_settings(setup, judge) if judge else None


def judge_hub(setup: Setup, support: str) -> list[tuple[str, str | None]]:
    """Models of that encoder that the hub publishes."""
    judge = judging_encoder(setup, support)
    return hub_models(setup, judge) if judge else []


def judge_models(setup: Setup, support: str) -> dict[str, list[str]]:
    """Local models of that encoder."""
    judge = judging_encoder(setup, support)
    return listed_models(setup, judge) if judge else {}


def judge_gpus(setup: Setup, support: str) -> int:
    """GPUs of a download whose images are judged."""
    judge = judging_encoder(setup, support)
    return gpus(setup.config.encoders[judge].device) if judge else 0


def judge_files(setup: Setup, dataset: str, support: str) -> dict[str, list[str]]:
    """Texts and model that downloaded images are judged by.

    Published embeddings have ranked them already.
    """
    judge, entry = judging_encoder(setup, support), setup.retrieved[support]
    ranking = text_cache(setup, entry.encoder, dataset, entry.query)
    return {
        "model": model_files(setup, judge) if judge else [],
        "ranking": [ranking] if entry.encoder else [],
        "agreeing": agreeing_text(setup, dataset, support),
    }
