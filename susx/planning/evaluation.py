"""What the evaluation of a dataset is made from, and how it goes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from susx.config.built_in import data_folder
from susx.config.shown import evaluated_config
from susx.core.errors import InputError
from susx.evaluation.files import CacheFiles
from susx.methods import METHODS
from susx.planning.caches import patch_cache, split_cache, support_cache, text_cache
from susx.planning.datasets import (
    default_datasets,
    evaluated_splits,
    is_tested,
    require_test,
)
from susx.planning.encoders import evaluated_encoders
from susx.planning.resources import gpus
from susx.planning.setup import Setup
from susx.planning.supports import evaluated_supports, support_folder, unavailable_supports
from susx.planning.texts import (
    available_texts,
    configured_texts,
    evaluated_texts,
    prompt_file,
    unavailable_texts,
)


def cache_files(setup: Setup, dataset: str, encoder: str) -> CacheFiles:
    """Everything that one encoder's evaluation reads.

    Raises:
        InputError: if there is nothing to test on, or nothing to classify with.
    """
    if dataset in setup.features:
        return feature_caches(setup, dataset, encoder)
    require_test(setup, dataset)
    patches = any("patches" in METHODS[name].needs for name in setup.config.evaluation.methods)
    return image_caches(
        setup,
        dataset,
        encoder,
        available_texts(setup, dataset),
        evaluated_supports(setup, dataset),
        patches,
    )


def image_caches(
    setup: Setup, dataset: str, encoder: str, texts: list[str], supports: list[str], patches: bool
) -> CacheFiles:
    """Files of embedded images, with some texts and support sets, and patches or none."""
    work, place = f"{setup.work}/{dataset}", (setup, encoder, dataset)
    splits = evaluated_splits(setup, dataset)
    folders = {name: support_folder(setup, dataset, name) for name in supports}
    return CacheFiles(
        classes=f"{work}/classes.json",
        texts={name: text_cache(*place, name) for name in texts},
        images={name: split_cache(*place, name) for name in splits},
        image_manifests={name: f"{work}/images/{name}.parquet" for name in splits},
        supports={name: support_cache(*place, name) for name in supports},
        support_manifests={name: f"{at}/manifest.parquet" for name, at in folders.items()},
        patches={name: patch_cache(*place, name) for name in splits if patches},
        prompts={name: prompt_file(setup, dataset, name) for name in texts},
    )


def feature_caches(setup: Setup, dataset: str, encoder: str) -> CacheFiles:
    """Files of published features, whose texts another encoder may have made.

    Raises:
        InputError: if the evaluation uses none of the texts.
    """
    texts, features = available_texts(setup, dataset), setup.features[dataset]
    if not texts:
        raise InputError(
            f"config.yaml: datasets.{dataset}.features: has texts "
            f"{', '.join(setup.feature_files[dataset].texts)}, but the evaluation uses "
            f"{', '.join(evaluated_texts(setup, dataset))}"
        )
    supports = evaluated_supports(setup, dataset)
    of_texts = features.encoder or features.backbone
    return replace(
        image_caches(setup, dataset, encoder, [], supports, patches=False),
        texts={name: text_cache(setup, of_texts, dataset, name) for name in texts},
        image_manifests={},
        support_manifests={},
    )


def cache_inputs(setup: Setup, dataset: str, encoder: str) -> dict[str, str | list[str]]:
    """The files of `cache_files` by kind.

    Raises:
        InputError: as that does.
    """
    return cache_files(setup, dataset, encoder).inputs


def cache_names(setup: Setup, dataset: str, encoder: str) -> dict[str, list[str]]:
    """Their names by kind, in the same order."""
    return cache_files(setup, dataset, encoder).names


def evaluation_plan(setup: Setup, dataset: str) -> dict[str, Any]:
    """What is compared on a dataset."""
    keys = {"methods", "protocols", "leaks", "batches"}
    supports = evaluated_supports(setup, dataset)
    return setup.config.evaluation.model_dump(include=keys) | {
        "texts": configured_texts(setup, dataset),
        "unavailable_texts": unavailable_texts(setup, dataset),
        "unavailable_supports": unavailable_supports(setup, dataset),
        "seeds": {name: setup.seeds[name] for name in supports if name in setup.seeds},
    }


def tuning_settings(setup: Setup, dataset: str) -> dict[str, Any]:
    """How hyper-parameters are chosen, in published units."""
    evaluation = setup.config.evaluation
    own = setup.datasets[dataset].model_dump(include={"grid"})["grid"]
    said = evaluation.model_dump(include={"grid", "fixed"})
    both = {name: own.get(name, {}) | axes for name, axes in said["grid"].items()}
    return {
        "grid": own | both,
        "fixed": said["fixed"],
        "continuous": evaluation.search == "continuous",
        "validation_split": setup.tuned_on[dataset],
    }


def evaluation_runs(setup: Setup, dataset: str, encoder: str) -> dict[str, Any]:
    """How an evaluation runs: its device, and the memory of its search in MiB."""
    device = evaluation_device(setup, dataset, encoder)
    return {"device": device, "memory_mib": setup.config.evaluation.memory_mib}


def evaluation_device(setup: Setup, dataset: str, encoder: str) -> str:
    """Device of an evaluation: that of the encoder."""
    return "auto" if dataset in setup.features else setup.config.encoders[encoder].device


def evaluation_gpus(setup: Setup, dataset: str, encoder: str) -> int:
    """GPUs of an evaluation."""
    return gpus(evaluation_device(setup, dataset, encoder))


def evaluation_file(setup: Setup, dataset: str, encoder: str) -> str:
    """Evaluation of a dataset with one encoder."""
    return f"{setup.work}/{dataset}/evaluation/{encoder}.json"


def evaluation_files(setup: Setup, dataset: str) -> list[str]:
    """Evaluations of a dataset, one file per encoder."""
    encoders = evaluated_encoders(setup, dataset)
    return [evaluation_file(setup, dataset, encoder) for encoder in encoders]


def shown_config(setup: Setup, dataset: str) -> dict[str, Any]:
    """The part of the configuration that a result shows.

    Raises:
        InputError: if the card of the dataset is missing or broken.
    """
    return evaluated_config(setup.config, dataset)


def result_file(setup: Setup, dataset: str) -> str:
    """What a bare call makes of a dataset: a result, or predictions where nothing is tested.

    Raises:
        InputError: if the images are not where the configuration says.
    """
    result, predictions = shown_files(setup, dataset)
    return result if is_tested(setup, dataset) else predictions


def result_files(setup: Setup) -> list[str]:
    """Everything that a bare call makes.

    Raises:
        InputError: if images are not where the configuration says, or there is no dataset at all.
    """
    if datasets := default_datasets(setup):
        return [result_file(setup, dataset) for dataset in datasets]
    raise InputError(
        f"config.yaml: datasets: none, and none of the built-in ones is in "
        f"{data_folder(setup.config.roots.data)}; put one there (docs/datasets.md), name a folder "
        "of your own (docs/first_classifier.md), or see the demo (make demo)"
    )


def shown_files(setup: Setup, dataset: str) -> list[str]:
    """What a run may make and show of a dataset: a result, and predictions."""
    return [f"{setup.results}/{dataset}.json", f"{setup.results}/{dataset}/predictions.parquet"]
