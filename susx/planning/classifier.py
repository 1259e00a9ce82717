"""What a classifier is made from, and what it classifies."""

from __future__ import annotations

from typing import Any

from susx.core.errors import InputError
from susx.evaluation.case import Case
from susx.evaluation.files import CacheFiles
from susx.methods import METHODS
from susx.planning.caches import patch_cache, split_cache
from susx.planning.choice import classifier_case
from susx.planning.datasets import UNLABELLED, lacking_split
from susx.planning.encoders import evaluated_encoders
from susx.planning.evaluation import evaluation_file, image_caches
from susx.planning.resources import gpus
from susx.planning.setup import Setup
from susx.planning.supports import evaluated_supports, unavailable_supports, wanted_supports
from susx.planning.texts import configured_texts, evaluated_texts, lacking_texts

NO_CLASSIFIER = (
    "published features name no encoder that could embed other images; a classifier needs `images`"
)


def classifier_texts(setup: Setup, dataset: str) -> list[str]:
    """Prompt strategies that a dataset can have, those of the evaluation first."""
    prompts = setup.config.prompts
    named = [*configured_texts(setup, dataset), "cupl+e", "ensemble", *prompts]
    known = (text for text in dict.fromkeys(named) if text in prompts)
    return [text for text in known if not lacking_texts(setup, dataset, text)]


def classifier_supports(setup: Setup, dataset: str) -> dict[str, str]:
    """Support sets that a dataset can have, by their entry, with the name of their files."""
    wanted, lacking = wanted_supports(setup, dataset), unavailable_supports(setup, dataset)
    found = {name: name for name in [*setup.retrieved, *setup.synthesised]}
    for name, (entry, _) in setup.seeds.items():
        found.setdefault(entry, name)
    return {n: files for n, files in found.items() if n in wanted and n not in lacking}


def tuning_images(setup: Setup, dataset: str) -> str | None:
    """What protocol `validation` tunes on: `validation`, `test`, or None without such images."""
    split = setup.tuned_on[dataset]
    return None if lacking_split(setup, dataset, split) else split


def classifier_choice(setup: Setup, dataset: str) -> Case:
    """The row of the result that becomes a classifier.

    Raises:
        InputError: if the dataset has published features, or lacks what section `classifier`
            names.
    """
    if dataset in setup.features:
        raise InputError(f"config.yaml: datasets.{dataset}.features: {NO_CLASSIFIER}")
    supports, texts = classifier_supports(setup, dataset), classifier_texts(setup, dataset)
    tuned_on, settings = tuning_images(setup, dataset), setup.config.classifier
    try:
        row = classifier_case(settings, texts, list(supports), tuned_on, dataset)
    except InputError as error:
        raise InputError(f"config.yaml: {error}") from None
    return with_draw(setup, row, supports[row.support] if row.support else None)


def with_draw(setup: Setup, row: Case, support: str | None) -> Case:
    """A row with entry and seed of a support set, whose name may be that of a draw."""
    entry, seed = setup.seeds.get(support or "", (support, None))
    return row.model_copy(update={"support": entry, "seed": seed})


def classifier_row(setup: Setup, dataset: str) -> dict[str, Any]:
    """The same as plain values.

    Raises:
        InputError: as `classifier_choice` does.
    """
    return classifier_choice(setup, dataset).model_dump()


def is_evaluated(setup: Setup, dataset: str, row: Case) -> bool:
    """Whether a dataset's evaluation has a row."""
    evaluation = setup.config.evaluation
    return (
        row.method in evaluation.methods
        and row.text in evaluated_texts(setup, dataset)
        and row.protocol in ("none", *evaluation.protocols)
        and row.drawn in (None, *evaluated_supports(setup, dataset))
    )


def needs_patches(row: Case) -> bool:
    """Whether the method of a row reads patches of images."""
    return "patches" in METHODS[row.method].needs


def classifier_files(setup: Setup, dataset: str, encoder: str) -> CacheFiles:
    """Everything that a classifier is made from.

    Raises:
        InputError: as `classifier_choice` does.
    """
    row = classifier_choice(setup, dataset)
    supports = [row.drawn] if row.drawn else []
    return image_caches(setup, dataset, encoder, [row.text], supports, needs_patches(row))


def classifier_inputs(setup: Setup, dataset: str, encoder: str) -> dict[str, str | list[str]]:
    """The files of `classifier_files` by kind.

    Raises:
        InputError: as that does.
    """
    return classifier_files(setup, dataset, encoder).inputs


def classifier_names(setup: Setup, dataset: str, encoder: str) -> dict[str, list[str]]:
    """Their names by kind, in the same order."""
    return classifier_files(setup, dataset, encoder).names


def classifier_evaluation(setup: Setup, dataset: str, encoder: str) -> list[str]:
    """Evaluation that has the row of the classifier, if there is one."""
    evaluated = (
        not lacking_split(setup, dataset, "test")
        and encoder in evaluated_encoders(setup, dataset)
        and is_evaluated(setup, dataset, classifier_choice(setup, dataset))
    )
    return [evaluation_file(setup, dataset, encoder)] if evaluated else []


def predicting_encoder(setup: Setup, dataset: str) -> str:
    """Encoder of the predictions.

    Raises:
        InputError: if there is none.
    """
    return setup.config.classifier.encoder or evaluated_encoders(setup, dataset)[0]


def prediction_files(setup: Setup, dataset: str) -> dict[str, str]:
    """Classifier and embedded images of the predictions: unlabelled ones, or else the test's.

    Raises:
        InputError: as `classifier_choice` does.
    """
    encoder, row = predicting_encoder(setup, dataset), classifier_choice(setup, dataset)
    split = UNLABELLED if setup.images[dataset].unlabelled else "test"
    files = {
        "classifier": f"{setup.results}/{dataset}/classifier/{encoder}.safetensors",
        "manifest": f"{setup.work}/{dataset}/images/{split}.parquet",
        "images": split_cache(setup, encoder, dataset, split),
    }
    patches = patch_cache(setup, encoder, dataset, split)
    return files | ({"patches": patches} if needs_patches(row) else {})


def prediction_runs(setup: Setup, dataset: str) -> dict[str, str]:
    """How a prediction runs: on the device of its encoder."""
    return {"device": setup.config.encoders[predicting_encoder(setup, dataset)].device}


def prediction_gpus(setup: Setup, dataset: str) -> int:
    """GPUs of a prediction."""
    return gpus(prediction_runs(setup, dataset)["device"])
