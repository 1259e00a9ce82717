"""How many classes, texts and images a run has to do with, as far as that is known before it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from susx.config.cards import load_card
from susx.config.sources import Split
from susx.config.texts import Descriptions
from susx.core.errors import InputError
from susx.core.files import read_json
from susx.images.listing import list_images
from susx.planning.datasets import UNLABELLED, dataset_classes, image_place
from susx.planning.setup import Setup
from susx.planning.supports import few_shot
from susx.prompts.waffle import N_DESCRIPTORS

DESCRIBED_PER_CLASS = {"descriptions": 50, "descriptors": 6}
"""Texts per class of a file that is not there or cannot be counted: CuPL publishes 30 to 110,
VisDesc 4 to 8."""


def class_count(setup: Setup, dataset: str) -> int | None:
    """Number of classes; None where they are not known before published features are read."""
    try:
        return len(dataset_classes(setup, dataset))
    except InputError:
        return None


def image_count(setup: Setup, dataset: str, split: str) -> int | None:
    """Number of images of a split: as listed by an earlier job, as its card says, or counted."""
    listed = Path(setup.work, dataset, "images", f"{split}.parquet")
    if (rows := parquet_rows(listed)) is not None:
        return rows
    try:
        return _expected(setup, dataset, split) or _counted(setup, dataset, split)
    except InputError:  # planning says what is missing
        return None


def _expected(setup: Setup, dataset: str, split: str) -> int | None:
    card, images = setup.datasets[dataset].card, setup.images[dataset]
    if not card or images.root is None:
        return None
    named: Mapping[Any, int] = image_place(setup, dataset).source.expected or {}
    return named.get(split) or load_card(card).expected.get(_split(split))


@cache  # a plan asks several times
def _counted(setup: Setup, dataset: str, split: str) -> int | None:
    unlabelled = setup.images[dataset].unlabelled
    if split == UNLABELLED:
        folders = [Path(unlabelled)] if unlabelled else []
    else:
        folders = image_place(setup, dataset).files(_split(split))
    if not folders or not all(folder.is_dir() for folder in folders):
        return None
    return sum(1 for folder in folders for _ in list_images(folder))


def _split(name: str) -> Split:
    return name  # type: ignore[return-value]  # the rules' wildcards have no other names


def parquet_rows(path: str | Path) -> int | None:
    """Rows of a Parquet file; None where there is none that can be read."""
    import pyarrow.parquet as pq

    try:
        return int(pq.read_metadata(path).num_rows)
    except Exception:  # pyarrow raises many kinds; nothing hangs on it but an estimate
        return None


def texts_per_class(setup: Setup, dataset: str, strategy: str) -> float:
    """Texts of a prompt strategy per class, as many as are asked for or as a file has."""
    entry, section = setup.config.prompts[strategy], setup.datasets[dataset]
    if entry.of:
        return sum(texts_per_class(setup, dataset, part) for part in entry.of)
    if entry.source == "template":
        return 1
    if entry.source in ("ensemble", "frequent_names"):
        return len(section.ensemble)
    if entry.source == "waffle":
        return N_DESCRIPTORS
    source = getattr(section, entry.source)
    if isinstance(source, Descriptions):
        return len(source.questions) * source.samples
    return _mean_length(source) or DESCRIBED_PER_CLASS[entry.source]


def _mean_length(file: str | None) -> float | None:
    try:
        lists = [texts for texts in read_json(file or "").values() if isinstance(texts, list)]
        return sum(map(len, lists)) / len(lists)
    except (AttributeError, InputError, OSError, ZeroDivisionError):
        return None


def support_size(setup: Setup, support: str) -> int:
    """Images per class of a support set."""
    if support in setup.seeds:
        return few_shot(setup, support).size
    entry = setup.retrieved.get(support) or setup.synthesised[support]
    return entry.size
