"""What installed packages bring of what a job uses, in the form of `Registry.packages`."""

from __future__ import annotations

from susx.config.encoders import LIBRARIES
from susx.config.pools import POOLS
from susx.config.sources import LAYOUTS
from susx.config.texts import BACKENDS
from susx.methods import METHODS
from susx.planning.classifier import classifier_choice
from susx.planning.datasets import image_place
from susx.planning.descriptions import language_model
from susx.planning.reports import shown_choice
from susx.planning.setup import Setup
from susx.planning.web import judging_encoder

Used = dict[str, list[str]]
"""Names by group of entry points; nothing where all is built in."""


def of_encoder(setup: Setup, encoder: str) -> Used:
    """The library of an encoder."""
    return LIBRARIES.packages(setup.config.encoders[encoder].library)


def of_judge(setup: Setup, support: str) -> Used:
    """The library of the encoder that downloaded images are judged by, if one does."""
    judge = judging_encoder(setup, support)
    return of_encoder(setup, judge) if judge else {}


def of_images(setup: Setup, dataset: str) -> Used:
    """The layout that the labelled images of a dataset lie in."""
    return LAYOUTS.packages(image_place(setup, dataset).layout)


def of_pool(setup: Setup, support: str) -> Used:
    """The layout of the pool that a support set is retrieved from."""
    return POOLS.packages(setup.config.pools[setup.retrieved[support].pool].layout)


def of_shard(setup: Setup, encoder: str, pool: str) -> Used:
    """The layout of a pool, and the library of the encoder that embeds its shards."""
    return of_encoder(setup, encoder) | POOLS.packages(setup.config.pools[pool].layout)


def of_language_model(setup: Setup, dataset: str, texts: str) -> Used:
    """What runs the model that writes descriptions or descriptors."""
    return BACKENDS.packages(language_model(setup, dataset, texts).backend)


def of_evaluation(setup: Setup) -> Used:
    """The methods that are evaluated."""
    return METHODS.packages(*setup.config.evaluation.methods)


def of_classifier(setup: Setup, dataset: str) -> Used:
    """The method of a dataset's classifier."""
    return METHODS.packages(classifier_choice(setup, dataset).method)


def of_analysis(setup: Setup, dataset: str) -> Used:
    """The method that a report looks at, if any."""
    row = shown_choice(setup, dataset)
    return METHODS.packages(row.method) if row else {}
