"""Input functions: where class names and labelled images come from."""

from functools import cache

from susx.manifests.names import named_classes
from susx.config.cards import card_files, card_path, load_card
from susx.datasets.sources import locate

DOWNLOADED_DATASETS = [name for name, images in IMAGES.items() if images.download]


def class_files(wildcards):
    """Files that the class names of a dataset come from."""
    dataset, key = DATASETS[wildcards.dataset], f"datasets.{wildcards.dataset}"
    if isinstance(dataset.classes, str):
        return existing(dataset.classes, f"{key}.classes")
    if dataset.classes:
        return []
    existing(card_path(dataset.card), f"{key}.card")
    return list(map(str, card_files(dataset.card)))


def name_source(dataset):
    """What the class names of a dataset are taken from: entries, their file, or the card."""
    source = DATASETS[dataset].model_dump(include={"classes", "card"})
    return source | {"card": None} if source["classes"] else source


def image_key(dataset, split):
    """Configuration key that tells where the images of a split are."""
    own = IMAGES[dataset].root is None
    return f"datasets.{dataset}.images.{split if own else 'root'}"


@cache
def image_place(dataset):
    """Where the images of a dataset are, and in which layout."""
    section, key = DATASETS[dataset], f"config.yaml: datasets.{dataset}"
    card = load_card(section.card) if section.card else None
    own = section.model_dump()["classes"] if card and IMAGES[dataset].root else None
    try:
        classes = named_classes(own, None, f"{key}.classes") if own else None
        return locate(IMAGES[dataset], card, f"{key}.images", classes)
    except InputError as error:
        raise Refused(str(error)) from None


def lacking_split(dataset, split):
    """Why a dataset has no images of a split, or None if it has."""
    if not IMAGES[dataset].labelled:
        return f"{image_key(dataset, split)} is not set"
    place = image_place(dataset)
    if split in place.splits:
        return None
    if IMAGES[dataset].root is None:
        return f"{image_key(dataset, split)} is not set"
    return f"source {place.source.name} of {image_key(dataset, split)} has no {split} images"


def image_files(wildcards):
    """Lists, shards and folders that the images of a split come from.

    Folders are looked at to the bottom. Downloads are not there yet when this is asked.
    """
    dataset, split = wildcards.dataset, wildcards.split
    if lacking := lacking_split(dataset, split):
        raise Refused(f"config.yaml: {lacking}; name a folder of images")
    if dataset in DOWNLOADED_DATASETS:
        return []
    key, place = image_key(dataset, split), image_place(dataset)
    return [str(apart(path, key)) for path in place.files(split)]


def listed_files(wildcards):
    """Files beyond those of `image_files`: what a list names, or what a download brought."""
    dataset, split = wildcards.dataset, wildcards.split
    place = image_place(dataset)
    if dataset in DOWNLOADED_DATASETS:
        return {"fetched": place.fetched(split)}
    return {"images": place.listed(split), "shards": place.patterns(split)}


def downloaded(wildcards):
    """What tells that a split was downloaded, if that is where its images come from."""
    dataset, split = wildcards.dataset, wildcards.split
    there = dataset in DOWNLOADED_DATASETS and not lacking_split(dataset, split)
    return [f"{WORK}/{dataset}/downloads/{split}.json"] if there else []


def download_settings(wildcards):
    """Where a split is downloaded from and to."""
    key = f"config.yaml: datasets.{wildcards.dataset}.images"
    return image_place(wildcards.dataset).published(wildcards.split) | {"key": key}


def download_records(dataset):
    """Records of the downloads of splits that are evaluated or were drawn from, by split."""
    if dataset not in DOWNLOADED_DATASETS:
        return None
    records = {
        split: f"{WORK}/{dataset}/downloads/{split}.json"
        for split in ("train", *evaluated_splits(dataset))
    }
    return {
        split: record
        for split, record in records.items()
        if split != "train" or Path(record).exists()
    }


def checked_downloads(wildcards):
    """Downloads that a check waits for; training images are not fetched for it."""
    return list((download_records(wildcards.dataset) or {}).values())


def checked_files(wildcards):
    """What a check waits for: images that the demo makes."""
    dataset = wildcards.dataset
    if not IMAGES[dataset].labelled or dataset in DOWNLOADED_DATASETS:
        return []
    try:
        place = image_place(dataset)
    except Refused:
        return []
    files = {path for split in place.splits for path in place.files(split)}
    return sorted(str(path) for path in files if DEMO_DATA in path.parents)


def check_settings(wildcards):
    """What a check compares with the disk."""
    dataset = wildcards.dataset
    return {
        "images": IMAGES[dataset].model_dump(),
        "card": DATASETS[dataset].card,
        "key": f"config.yaml: datasets.{dataset}.images",
        "full": bool(wildcards.depth),
        "downloads": download_records(dataset),
    }
