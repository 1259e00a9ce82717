"""Where the class names and the labelled images of a dataset come from."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, cast

from susx.config.cards import card_files, card_path, load_card
from susx.config.sources import Split
from susx.core.errors import InputError
from susx.datasets.layouts.base import Layout
from susx.datasets.sources import Place, locate
from susx.manifests.classes import ClassManifest
from susx.manifests.names import named_classes
from susx.planning.paths import DEMO_DATA, apart, existing
from susx.planning.setup import Setup

SPLITS: tuple[Split, ...] = ("test", "validation", "train")
UNLABELLED = "unlabelled"
"""What stands for a split where images have no labels."""


def class_files(setup: Setup, dataset: str) -> list[str]:
    """Files that the class names of a dataset come from.

    Raises:
        InputError: if one is missing.
    """
    section, key = setup.datasets[dataset], f"datasets.{dataset}"
    if isinstance(section.classes, str):
        return [existing(section.classes, f"{key}.classes")]
    if section.classes or section.card is None:
        return []
    existing(card_path(section.card), f"{key}.card")
    return list(map(str, card_files(section.card)))


def name_source(setup: Setup, dataset: str) -> dict[str, Any]:
    """What the class names of a dataset are taken from: entries, their file, or the card."""
    source = setup.datasets[dataset].model_dump(include={"classes", "card"})
    return source | {"card": None} if source["classes"] else source


def class_key(dataset: str) -> str:
    """Where the configuration names the classes of a dataset, for messages."""
    return f"config.yaml: datasets.{dataset}.classes"


@cache
def dataset_classes(setup: Setup, dataset: str) -> ClassManifest:
    """The classes of a dataset.

    Raises:
        InputError: if a file that they come from is missing or unusable, or a name is.
    """
    class_files(setup, dataset)
    return named_classes(**name_source(setup, dataset), key=class_key(dataset))


def named_datasets(setup: Setup) -> list[str]:
    """Datasets whose classes have names; published features may do without."""
    return [name for name, entry in setup.entries.items() if entry.named]


def image_key(setup: Setup, dataset: str, split: str) -> str:
    """Configuration key that tells where the images of a split are."""
    own = setup.images[dataset].root is None
    return f"datasets.{dataset}.images.{split if own else 'root'}"


@cache
def image_place(setup: Setup, dataset: str) -> Place:
    """Where the images of a dataset are, and in which layout.

    Raises:
        InputError: if nothing of what its card lists is there; with `gaps` that is noted, and the
            first source of the card stands for what will be there.
    """
    section, images = setup.datasets[dataset], setup.images[dataset]
    card = load_card(section.card) if section.card else None
    own = section.model_dump()["classes"] if card and images.root else None
    known = named_classes(own, None, class_key(dataset)) if own else None
    try:
        return locate(images, card, f"config.yaml: datasets.{dataset}.images", known)
    except InputError as error:
        if setup.gaps is None or not (card and card.sources and images.root):
            raise
        setup.gaps.images[dataset] = str(error)
        return Place(cast(Layout, card.sources[0]), Path(images.root))


def lacks_images(setup: Setup, dataset: str) -> bool:
    """Whether the labelled images of a dataset were not found, and planning goes on."""
    return setup.gaps is not None and dataset in setup.gaps.images


def image_settings(setup: Setup, dataset: str, split: Split) -> dict[str, Any]:
    """The place of a split as plain values."""
    return image_place(setup, dataset).settings(split)


def image_hints(setup: Setup, dataset: str, split: str) -> dict[str, str]:
    """What the messages of a job that lists a split name."""
    return {"key": f"config.yaml: {image_key(setup, dataset, split)}"}


def lacking_split(setup: Setup, dataset: str, split: str) -> str | None:
    """Why a dataset of images has none of a split, or None if it has.

    Raises:
        InputError: as `image_place` does.
    """
    key = image_key(setup, dataset, split)
    if not setup.images[dataset].labelled:
        return f"{key} is not set"
    place = image_place(setup, dataset)
    if split in place.splits:
        return None
    if setup.images[dataset].root is None:
        return f"{key} is not set"
    return f"source {place.source.name} of {key} has no {split} images"


def absent_split(setup: Setup, dataset: str, split: Split) -> str | None:
    """Why a dataset has none of a split that its card knows, or None if some of it is there.

    Raises:
        InputError: as `image_place` does.
    """
    images = setup.images[dataset]
    if images.root is None or images.download:
        return None
    place = image_place(setup, dataset)
    if place.holds(split):
        return None
    return f"no {split} images of source {place.source.name} lie in {place.base}"


def image_files(setup: Setup, dataset: str, split: Split) -> list[str]:
    """Lists, shards and folders that the images of a split come from.

    Folders are looked at to the bottom. Downloads are not there yet when this is asked.

    Raises:
        InputError: if the dataset has no such split, or a file is missing.
    """
    if lacking := lacking_split(setup, dataset, split):
        raise InputError(f"config.yaml: {lacking}; name a folder of images")
    if setup.images[dataset].download or lacks_images(setup, dataset):
        return []
    key, place = image_key(setup, dataset, split), image_place(setup, dataset)
    return [apart(setup, path, key) for path in place.files(split)]


def listed_files(setup: Setup, dataset: str, split: Split) -> dict[str, Any]:
    """Files beyond those of `image_files`: what a list names, or what a download brought."""
    place = image_place(setup, dataset)
    if lacks_images(setup, dataset):
        return {}
    if setup.images[dataset].download:
        return {"fetched": place.fetched(split)}
    return {"place": place.settings(split), "shards": place.patterns(split)}


def unlabelled_folder(setup: Setup, dataset: str) -> str:
    """Folder of the unlabelled images of a dataset.

    Raises:
        InputError: if none is named, or it is not there.
    """
    folder, key = setup.images[dataset].unlabelled, f"datasets.{dataset}.images.unlabelled"
    if folder is None:
        raise InputError(f"config.yaml: {key} is not set; name a folder of images")
    return apart(setup, folder, key)


def evaluated_splits(setup: Setup, dataset: str) -> list[Split]:
    """Splits of a dataset that have images, or whose features are published.

    Published validation features of a dataset that is tuned on its test are those of the test.
    """
    if dataset in setup.images:
        splits: tuple[Split, ...] = ("test", "validation")
        return [split for split in splits if not lacking_split(setup, dataset, split)]
    own = setup.tuned_on[dataset] == "validation"
    there = setup.feature_files[dataset].has_split("validation")
    return ["test", "validation"] if own and there else ["test"]


def require_test(setup: Setup, dataset: str) -> None:
    """Look whether a dataset has labelled images to test on.

    Raises:
        InputError: if it has none.
    """
    if lacking := lacking_split(setup, dataset, "test"):
        raise InputError(
            f"config.yaml: {lacking}, so that nothing can be tested; name labelled test images, or "
            f"ask for {setup.results}/{dataset}/predictions.parquet"
        )


def is_tested(setup: Setup, dataset: str) -> bool:
    """Whether a dataset has a result."""
    return dataset in setup.features or not lacking_split(setup, dataset, "test")


def default_datasets(setup: Setup) -> list[str]:
    """What a call without a target is about: entries of `datasets`.

    Without any entry, they are the built-in cards whose folder is there.
    """
    if setup.config.datasets:
        return list(setup.config.datasets)
    return [name for name in setup.images if Path(str(setup.images[name].root)).is_dir()]


def tested_datasets(setup: Setup) -> list[str]:
    """Those of `default_datasets` that have a result."""
    return [dataset for dataset in default_datasets(setup) if is_tested(setup, dataset)]


def downloaded_datasets(setup: Setup) -> list[str]:
    """Datasets whose images are downloaded."""
    entries = setup.entries.items()
    return [name for name, entry in entries if entry.images and entry.images.download]


def download_record(setup: Setup, dataset: str, split: str) -> str:
    """What tells that a split was downloaded."""
    return f"{setup.work}/{dataset}/downloads/{split}.json"


def downloaded(setup: Setup, dataset: str, split: str) -> list[str]:
    """Record of the download of a split, if that is where its images come from."""
    there = setup.images[dataset].download and not lacking_split(setup, dataset, split)
    return [download_record(setup, dataset, split)] if there else []


def download_settings(setup: Setup, dataset: str, split: Split) -> dict[str, Any]:
    """Where a split is downloaded from and to."""
    key = f"config.yaml: datasets.{dataset}.images"
    return image_place(setup, dataset).published(split) | {"key": key}


def download_records(setup: Setup, dataset: str) -> dict[str, str] | None:
    """Records of the downloads of splits that are evaluated or were drawn from, by split."""
    if not setup.images[dataset].download:
        return None
    records = {
        split: download_record(setup, dataset, split)
        for split in ("train", *evaluated_splits(setup, dataset))
    }
    return {
        split: record
        for split, record in records.items()
        if split != "train" or Path(record).exists()
    }


def checked_downloads(setup: Setup, dataset: str) -> list[str]:
    """Downloads that a check waits for; training images are not fetched for it."""
    return list((download_records(setup, dataset) or {}).values())


def checked_files(setup: Setup, dataset: str) -> list[str]:
    """What a check waits for: images that the demo makes. A missing root is the check's to tell."""
    images = setup.images[dataset]
    if not images.labelled or images.download:
        return []
    try:
        place = image_place(setup, dataset)
        files = {path for split in place.splits for path in place.files(split)}
    except InputError:
        return []
    return sorted(str(path) for path in files if DEMO_DATA in path.parents)


def check_settings(setup: Setup, dataset: str, depth: str) -> dict[str, Any]:
    """What a check compares with the disk; with a `depth`, by decoding all images."""
    return {
        "images": setup.images[dataset].model_dump(),
        "card": setup.datasets[dataset].card,
        "key": f"config.yaml: datasets.{dataset}.images",
        "full": bool(depth),
        "downloads": download_records(setup, dataset),
    }
