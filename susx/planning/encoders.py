"""Encoders of a run: files of their models, settings of their caches, what their jobs need."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from susx.config.encoders import RUNS_ANYHOW, local_files, local_keys, published_models
from susx.config.shown import chosen_encoders
from susx.core.errors import InputError
from susx.planning.paths import apart, existing
from susx.planning.resources import gpus
from susx.planning.setup import Setup


@cache
def model_files(setup: Setup, encoder: str) -> list[str]:
    """Files of a local encoder model; none for one from the hub.

    Raises:
        InputError: if one is missing, or lies where the pipeline writes.
    """
    key, settings = f"encoders.{encoder}.model", setup.config.encoders[encoder]
    for name in listed_models(setup, encoder)["models"]:
        if Path(name).is_dir():
            apart(setup, name, key)
    return [existing(path, key) for path in local_files(settings)]


def hub_models(setup: Setup, encoder: str) -> list[tuple[str, str | None]]:
    """Models of an encoder that the hub publishes: identifier and revision."""
    return published_models(setup.config.encoders[encoder])


def listed_models(setup: Setup, encoder: str) -> dict[str, list[str]]:
    """Local models of an encoder, whose folders a job looks at once more."""
    settings = setup.config.encoders[encoder]
    return {"models": [name for name in (settings.model, settings.tokenizer) if name]}


def encoder_settings(setup: Setup, encoder: str) -> dict[str, Any]:
    """Settings of an encoder that decide what a cache holds."""
    settings = setup.config.encoders[encoder]
    return settings.model_dump(exclude=RUNS_ANYHOW | local_keys(settings))


def patch_settings(setup: Setup, encoder: str) -> dict[str, Any]:
    """The same for patches, of which an image has many: they are kept in half the space."""
    return encoder_settings(setup, encoder) | {"store": "float16"}


def running_settings(setup: Setup, encoder: str) -> dict[str, Any]:
    """Settings of an encoder that say where its files are and how it runs."""
    settings = setup.config.encoders[encoder]
    return settings.model_dump(include=RUNS_ANYHOW | local_keys(settings))


def encoder_runs(setup: Setup, encoder: str) -> dict[str, Any]:
    """How a job with an encoder runs."""
    return {"runs": running_settings(setup, encoder)}


def exported_settings(setup: Setup, encoder: str) -> dict[str, Any]:
    """Settings of an encoder that a classifier file keeps, with where its model is."""
    return setup.config.encoders[encoder].model_dump(exclude=RUNS_ANYHOW)


def encoder_model_name(setup: Setup, encoder: str) -> str | None:
    """How the configuration calls the model of an encoder; published features have none."""
    encoders = setup.config.encoders
    return encoders[encoder].model if encoder in encoders else None


def encoder_threads(setup: Setup, encoder: str) -> int:
    """CPU threads of an embedding job."""
    return setup.config.encoders[encoder].threads


def encoder_gpus(setup: Setup, encoder: str) -> int:
    """GPUs of an embedding job."""
    return gpus(setup.config.encoders[encoder].device)


def evaluated_encoders(setup: Setup, dataset: str) -> list[str]:
    """Encoders of a dataset's evaluation; published features have one, their backbone.

    Raises:
        InputError: if there is none.
    """
    if dataset in setup.features:
        return [setup.features[dataset].backbone]
    if chosen := chosen_encoders(setup.config, setup.entries[dataset]):
        return chosen
    raise InputError("config.yaml: encoders: missing; docs/encoders.md shows how one is named")
