"""Published features: which files a job reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from susx.core.errors import InputError
from susx.planning.caches import split_cache
from susx.planning.paths import OptionalFile
from susx.planning.setup import Setup
from susx.published.files import require


def _published(
    setup: Setup,
    dataset: str,
    encoder: str,
    kind: str,
    files: Mapping[str, str | Sequence[str]],
    name: str,
) -> list[str]:
    key = f"config.yaml: datasets.{dataset}.features"
    if name not in files or encoder != setup.features[dataset].backbone:
        raise InputError(f"{key}: no {kind} {name} of {encoder} are named")
    found = files[name]
    return [require(path, key) for path in ([found] if isinstance(found, str) else found)]


def published_images(setup: Setup, dataset: str, encoder: str, split: str) -> list[str]:
    """Files of a split.

    Raises:
        InputError: if they are not named, or not there.
    """
    images = setup.feature_files[dataset].images
    return _published(setup, dataset, encoder, "images", images, split)


def published_text(setup: Setup, dataset: str, encoder: str, strategy: str) -> str:
    """File of a text classifier.

    Raises:
        InputError: if it is not named, or not there.
    """
    texts = setup.feature_files[dataset].texts
    return _published(setup, dataset, encoder, "texts", texts, strategy)[0]


def published_support(setup: Setup, dataset: str, encoder: str, support: str) -> list[str]:
    """Files of a support set.

    Raises:
        InputError: if they are not named, or not there.
    """
    supports = setup.feature_files[dataset].supports
    return _published(setup, dataset, encoder, "supports", supports, support)


def published_test(setup: Setup, dataset: str) -> list[str]:
    """Files of the test images, which tell the classes where they have no names.

    Raises:
        InputError: if they are not there.
    """
    return published_images(setup, dataset, setup.features[dataset].backbone, "test")


def published_classes(setup: Setup, dataset: str) -> str:
    """File of the first text classifier, which tells how many classes there are.

    Raises:
        InputError: if it is not there.
    """
    text = next(iter(setup.feature_files[dataset].texts))
    return published_text(setup, dataset, setup.features[dataset].backbone, text)


def unnamed_datasets(setup: Setup) -> list[str]:
    """Datasets whose classes have no names."""
    return [name for name in setup.features if not setup.datasets[name].named]


def published_strategies(setup: Setup) -> set[str]:
    """Prompt strategies whose texts are published."""
    return {text for files in setup.feature_files.values() for text in files.texts}


def published_supports(setup: Setup) -> set[str]:
    """Support sets that are published."""
    return {name for files in setup.feature_files.values() for name in files.supports}


def published_shots(setup: Setup, dataset: str, support: str) -> int:
    """Images per class that a published support set must have; 1 where it promises nothing."""
    return setup.feature_files[dataset].shots.get(support, 1)


def feature_source(setup: Setup, dataset: str) -> dict[str, Any]:
    """What every cache of published features says about their making."""
    return setup.features[dataset].model_dump(include={"layout", "backbone", "logit_scale"})


def reference_cache(setup: Setup, dataset: str, encoder: str) -> str:
    """Cache of the test images, whose dimension all others must have."""
    return split_cache(setup, encoder, dataset, "test")


def compared_cache(setup: Setup, dataset: str, encoder: str, split: str) -> OptionalFile:
    """The same for a split; the test images have nothing to be compared with."""
    return [] if split == "test" else reference_cache(setup, dataset, encoder)
