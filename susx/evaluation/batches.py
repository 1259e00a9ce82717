"""Draws of batches and streams from labelled test images, as lists of places.

A draw is a list of tasks, a task a list of batches, a batch the places of its images. Few classes
are drawn as the released code of StatA (Zanella et al., CVPR 2025) does, from the same generator,
so that its batches are had again. It draws streams without a seed, with a Dirichlet sampler that
divides zero by zero at small concentrations; streams here come from numpy's newer generator, which
does not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from susx.config.batches import BatchProtocol, FewClasses, Stream
from susx.core.errors import InputError

ImageRows = NDArray[np.int64]
Tasks = list[list[ImageRows]]

PROTOCOLS: TypeAdapter[dict[str, FewClasses | Stream]] = TypeAdapter(dict[str, BatchProtocol])


@dataclass(frozen=True)
class BatchDraw:
    """The batches of a protocol.

    Attributes:
        settings: what they were drawn by.
        labels: (N,) classes of the test images.
        unknown: (U,) classes that methods are not told of, rising; their images are not counted.
        tasks: places of test images.
    """

    settings: FewClasses | Stream
    labels: ImageRows
    unknown: ImageRows
    tasks: Tasks

    @property
    def sha256(self) -> str:
        """Of all batches, each as its length and its places, little-endian numbers of 64 bits."""
        digest = hashlib.sha256()
        for task in self.tasks:
            for batch in task:
                digest.update(np.int64(len(batch)).astype("<i8").tobytes())
                digest.update(batch.astype("<i8").tobytes())
        return digest.hexdigest()


def batch_draws(labels: ImageRows, protocols: Mapping[str, Any]) -> dict[str, BatchDraw]:
    """Draw the batches of all protocols, each from a generator of its own.

    Args:
        labels: (N,) classes of the test images, in the order of their file.
        protocols: settings by name, as in `evaluation.batches`.

    Raises:
        InputError: if a protocol leaves no class known.
    """
    drawn = {}
    for name, settings in PROTOCOLS.validate_python(protocols).items():
        if isinstance(settings, Stream):
            none = np.empty(0, np.int64)
            drawn[name] = BatchDraw(settings, labels, none, streams(labels, settings))
            continue
        if settings.unknown_classes >= (shown := len(np.unique(labels))):
            raise InputError(
                f"evaluation.batches.{name}.unknown_classes: {settings.unknown_classes} of the "
                f"{shown} classes that test images show; leave at least one known"
            )
        random = np.random.RandomState(settings.seed)
        unknown = unknown_classes(labels, settings.unknown_classes, random)
        tasks = few_classes(labels, settings, unknown, random)
        drawn[name] = BatchDraw(settings, labels, unknown, tasks)
    return drawn


def unknown_classes(labels: ImageRows, count: int, random: np.random.RandomState) -> ImageRows:
    """Draw classes that methods are not told of, rising; of none nothing is drawn."""
    if not count:
        return np.empty(0, np.int64)
    return np.sort(random.choice(np.unique(labels), count, replace=False))


def few_classes(
    labels: ImageRows, settings: FewClasses, unknown: ImageRows, random: np.random.RandomState
) -> Tasks:
    """Draw batches of few classes, one a task.

    Args:
        labels: (N,) classes of the test images.
        settings: of the protocol.
        unknown: classes of which only a share of every batch is.
        random: the generator, in the state after the unknown classes were drawn.
    """
    known = np.setdiff1d(labels, unknown)
    images = {label: np.flatnonzero(labels == label) for label in known.tolist()}
    others = np.flatnonzero(np.isin(labels, unknown))
    low, high = settings.classes
    share = settings.mixed
    most = settings.size - round(settings.size * share)
    tasks = []
    for _ in range(settings.tasks):
        count = random.randint(low, high + 1)
        classes = random.choice(known, count, replace=False) if count < len(known) else known
        batch = np.concatenate([images[label] for label in classes.tolist()])
        if len(batch) > most:
            batch = random.choice(batch, most, replace=False)
        if share:
            mixed = min(round(len(batch) * share / (1 - share)), len(others))
            batch = np.concatenate([batch, random.choice(others, mixed, replace=False)])
        random.shuffle(batch)
        tasks.append([batch])
    return tasks


def streams(labels: ImageRows, settings: Stream) -> Tasks:
    """Cut orders of all images into batches; the last one keeps what is left."""
    random = np.random.default_rng(settings.seed)
    orders = (_order(labels, settings, random) for _ in range(settings.tasks))
    cuts = range(settings.size, len(labels), settings.size)
    return [np.split(order, cuts) for order in orders]


def _order(labels: ImageRows, settings: Stream, random: np.random.Generator) -> ImageRows:
    if settings.draw == "shuffled":
        return random.permutation(len(labels))
    images = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    if settings.draw == "separate":
        slots = [[images[place]] for place in random.permutation(len(images))]
    else:
        n = max(1, min(len(labels) // settings.size, len(images)))
        slots = [[] for _ in range(n)]
        for of_class in images:
            shares = random.dirichlet(np.full(n, settings.concentration))
            cuts = (shares.cumsum()[:-1] * len(of_class)).astype(np.int64)
            for slot, part in zip(slots, np.split(of_class, cuts), strict=True):
                slot.append(part)
    return np.concatenate([random.permutation(np.concatenate(slot)) for slot in slots])


def batch_facts(draw: BatchDraw, classes: Sequence[str]) -> dict[str, Any]:
    """What a draw is made of, as an entry of `batches` of a result; `classes` are all names."""
    shown = [draw.labels[batch] for task in draw.tasks for batch in task]
    known = [labels[~np.isin(labels, draw.unknown)] for labels in shown]
    sizes, counts = [len(labels) for labels in shown], [len(np.unique(own)) for own in known]
    n_images = sum(len(own) for own in known)
    return {
        "settings": draw.settings.model_dump(),
        "n_tasks": len(draw.tasks),
        "n_batches": len(shown),
        "batch_sizes": [min(sizes), max(sizes)],
        "classes_shown": [min(counts), max(counts)],
        "unknown_classes": [classes[label] for label in draw.unknown.tolist()],
        "n_images": n_images,
        "n_unknown": sum(sizes) - n_images,
        "sha256": draw.sha256,
    }
