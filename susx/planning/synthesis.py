"""Support sets that a text-to-image model generates, in chunks of classes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from susx.core.models import files_of_model
from susx.planning.datasets import dataset_classes
from susx.planning.resources import gpus
from susx.planning.setup import Setup
from susx.planning.supports import support_folder
from susx.planning.texts import prompt_file

DRAWN_ANYHOW = {"device", "batch_size", "threads"}
"""Keys of synthesis that say how it runs, not what it generates."""


def synthesis_prompts(setup: Setup, dataset: str, support: str) -> str:
    """Texts that a support set is generated from."""
    return prompt_file(setup, dataset, setup.synthesised[support].query)


def synthesis_settings(setup: Setup, support: str) -> dict[str, Any]:
    """Settings that decide what is generated."""
    return setup.synthesised[support].model_dump(exclude=DRAWN_ANYHOW)


def synthesis_runs(setup: Setup, support: str) -> dict[str, Any]:
    """How the drawing runs."""
    return {"runs": setup.synthesised[support].model_dump(include=DRAWN_ANYHOW)}


def synthesis_model(setup: Setup, support: str) -> str:
    """The text-to-image model: local folder or hub identifier."""
    model = setup.synthesised[support].model
    if model is None:
        raise AssertionError("`resolved` fills the model")
    return model


def synthesis_model_files(setup: Setup, support: str) -> list[str]:
    """Files of a local model; none for one from the hub."""
    return files_of_model(synthesis_model(setup, support))


def listed_synthesis_model(setup: Setup, support: str) -> dict[str, list[str]]:
    """The model, whose folder a job looks at once more."""
    return {"models": [synthesis_model(setup, support)]}


def hub_synthesis_model(setup: Setup, support: str) -> list[tuple[str, str | None]]:
    """The model, if the hub publishes it: identifier and revision."""
    model = synthesis_model(setup, support)
    return [] if Path(model).exists() else [(model, setup.synthesised[support].revision)]


def synthesis_threads(setup: Setup, support: str) -> int:
    """CPU threads of a job."""
    return setup.synthesised[support].threads


def synthesis_gpus(setup: Setup, support: str) -> int:
    """GPUs of a job."""
    return gpus(setup.synthesised[support].device)


def synthesis_size(setup: Setup, support: str) -> int:
    """Images per class."""
    return setup.synthesised[support].size


def drawn_chunks(
    setup: Setup, dataset: str, support: str, kind: Literal["parquet", "tar"]
) -> list[str]:
    """Tables or tars of the chunks of classes that a support set is generated in."""
    folder = f"{support_folder(setup, dataset, support)}/chunks"
    starts = range(0, len(dataset_classes(setup, dataset)), setup.synthesised[support].chunk)
    return [f"{folder}/{number:05d}.{kind}" for number in range(len(starts))]
