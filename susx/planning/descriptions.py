"""What a language model writes about the classes of a dataset, and in which chunks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from susx.config.datasets import WRITTEN
from susx.config.texts import BACKENDS, HOW_IT_RUNS, Backend, Descriptions, LanguageModelSettings
from susx.core.errors import InputError
from susx.core.models import files_of_model
from susx.planning.datasets import dataset_classes
from susx.planning.resources import Inputs, gpus, memory_mb
from susx.planning.setup import Setup
from susx.prompts.descriptions import ASKED

ASKING_MB, MODEL_MB = 1000, 4000
"""Memory of a job that asks a server, and of one that runs a model, without its weights."""
WIDENED = 3
"""Memory of a model over the size of its files: they are read, and may be widened to float32."""


def described_datasets(setup: Setup) -> set[str]:
    """Datasets that a language model writes about."""
    return {
        name
        for name, entry in setup.entries.items()
        if any(isinstance(getattr(entry, kind), Descriptions) for kind in WRITTEN)
    }


def written(setup: Setup, dataset: str, texts: str) -> Descriptions:
    """Settings of what is written, a dataset's descriptions or descriptors.

    Raises:
        InputError: if nothing writes them.
    """
    settings = getattr(setup.datasets[dataset], texts)
    if not isinstance(settings, Descriptions):
        raise InputError(
            f"config.yaml: datasets.{dataset}.{texts}: names no language model to write them"
        )
    return settings


def asked_settings(setup: Setup, dataset: str, texts: str) -> dict[str, Any]:
    """Settings that the replies depend on."""
    return written(setup, dataset, texts).model_dump(include=set(ASKED))


def language_model(setup: Setup, dataset: str, texts: str) -> LanguageModelSettings:
    """The model that writes them."""
    return setup.config.language_models[written(setup, dataset, texts).model]


def backend(setup: Setup, dataset: str, texts: str) -> Backend:
    """What runs that model."""
    return BACKENDS[language_model(setup, dataset, texts).backend]


def language_model_settings(setup: Setup, dataset: str, texts: str) -> dict[str, Any]:
    """Settings of the model that decide what it writes."""
    return language_model(setup, dataset, texts).model_dump(exclude=HOW_IT_RUNS)


def language_model_runs(setup: Setup, dataset: str, texts: str) -> dict[str, Any]:
    """How the model is called, and how it runs."""
    runs = language_model(setup, dataset, texts).model_dump(include=HOW_IT_RUNS)
    return {"name": written(setup, dataset, texts).model, "runs": runs}


def local_language_model(setup: Setup, dataset: str, texts: str) -> dict[str, list[str]]:
    """The language model, unless a server runs it."""
    reads_files = backend(setup, dataset, texts).reads_files
    return {"models": [language_model(setup, dataset, texts).model] if reads_files else []}


def language_model_files(setup: Setup, dataset: str, texts: str) -> list[str]:
    """Files of a local language model; none for one from the hub or behind a server."""
    models = local_language_model(setup, dataset, texts)["models"]
    return [file for model in models for file in files_of_model(model)]


def hub_language_model(setup: Setup, dataset: str, texts: str) -> list[tuple[str, str | None]]:
    """The language model, if the hub publishes it: identifier and revision."""
    model = language_model(setup, dataset, texts)
    if not backend(setup, dataset, texts).reads_files or Path(model.model).exists():
        return []
    revision: str | None = getattr(model, "revision", None)
    return [(model.model, revision)]


def language_model_threads(setup: Setup, dataset: str, texts: str) -> int:
    """CPU threads of a job."""
    threads: int = getattr(language_model(setup, dataset, texts), "threads", 1)
    return threads


def language_model_gpus(setup: Setup, dataset: str, texts: str) -> int:
    """GPUs of a job."""
    return gpus(getattr(language_model(setup, dataset, texts), "device", "cpu"))


def language_model_requests(setup: Setup, dataset: str, texts: str) -> int:
    """Requests to a server at the same time."""
    requests: int = getattr(language_model(setup, dataset, texts), "concurrency", 0)
    return requests


def language_model_memory(
    setup: Setup, dataset: str, texts: str, input: Inputs, attempt: int
) -> int:
    """Memory of a job in MB: that of a local model's files, as they may be widened."""
    if not backend(setup, dataset, texts).reads_files:
        return attempt * ASKING_MB
    return memory_mb(input, attempt, MODEL_MB, WIDENED)


def class_names(setup: Setup, dataset: str) -> dict[str, str]:
    """How every class of a dataset is called in prompts, by its name."""
    return {entry.name: entry.prompt_name for entry in dataset_classes(setup, dataset)}


def chunk_names(setup: Setup, dataset: str, texts: str, chunk: str) -> dict[str, str]:
    """The same of one chunk of classes."""
    size, number = written(setup, dataset, texts).chunk, int(chunk)
    names = list(class_names(setup, dataset).items())
    return dict(names[number * size : (number + 1) * size])


def chunk_files(setup: Setup, dataset: str, texts: str) -> list[str]:
    """Replies about all classes, one file per chunk."""
    size = written(setup, dataset, texts).chunk
    count = len(range(0, len(dataset_classes(setup, dataset)), size))
    folder = f"{setup.work}/{dataset}/replies/{texts}"
    return [f"{folder}/{number:04d}.json" for number in range(count)]
