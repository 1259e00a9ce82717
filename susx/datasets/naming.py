"""What a dataset on disk calls its classes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from susx.config.types import repeats
from susx.core.errors import InputError, listing, suggestion
from susx.datasets.layouts.base import Layout
from susx.datasets.layouts.shards import Shards
from susx.manifests.classes import ClassManifest, find_all


def class_indices(
    classes: ClassManifest, labels: Iterable[str], source: Layout, origin: str
) -> dict[str, int]:
    """Map the names that a source gives classes to class indices.

    Args:
        classes: class manifest.
        labels: distinct names that stand in the source.
        source: says what to cut out of names, or which name stands for which class.
        origin: key and file of the labels, for error messages.

    Raises:
        InputError: if a label names no class, or two labels name the same one.
    """
    if not source.names:
        cut = {label: _cut(label, source) for label in labels}
        found = find_all(classes, cut.values(), origin)
        return {label: found[name] for label, name in cut.items()}
    if len(source.names) != len(classes):
        raise InputError(
            f"{origin}: source {source.name} of the card names {len(source.names)} classes, but "
            f"there are {len(classes)}"
        )
    index = {name: i for i, name in enumerate(source.names)}
    for label in labels:
        if label not in index:
            raise InputError(f'{origin}: "{label}" names no class{suggestion(label, index)}')
    return {label: index[label] for label in labels}


def numbered_indices(
    classes: ClassManifest, names: Sequence[str] | None, source: Shards, origin: str
) -> list[int]:
    """Class index of every number of a source.

    Args:
        classes: class manifest.
        names: what the source calls its numbers, in their order, or None if it does not say.
        source: says whether names or numbers are to be trusted.
        origin: file of the names, for error messages.

    Raises:
        InputError: if nothing tells what a number means, or names and numbers contradict the card.
    """
    if source.order == "card":
        _check_order(classes, names or (), source, origin)
        return list(range(len(classes)))
    if names is None:
        raise InputError(
            f"{origin}: nothing says which class a number means; where the numbers are those of "
            f"the card, say `order: card` in its source {source.name}"
        )
    if repeated := repeats(names):
        raise InputError(f"{origin}: several numbers are called {listing(sorted(repeated))}")
    known = set(source.names)
    unknown = [
        name
        for name in names
        if (name not in known if known else classes.find(_cut(name, source)) is None)
    ]
    if unknown:
        raise InputError(
            f"{origin}: {len(unknown)} of {len(names)} names are those of no class: "
            f"{listing(unknown)}; list what it calls the classes under `names` in source "
            f"{source.name} of the card, or say `order: card` there if the numbers are the card's"
        )
    indices = class_indices(classes, names, source, origin)
    return [indices[name] for name in names]


def check_positions(classes: ClassManifest, card: ClassManifest, source: Layout, key: str) -> None:
    """Make sure that classes of a configuration stand where the card's do, if a source counts them.

    Names may be worded otherwise, but not mean the class of another position.

    Args:
        classes: of the configuration.
        card: classes of the card, whose positions the source's names or numbers mean.
        source: of the card.
        key: of the dataset's images in config.yaml, for error messages.

    Raises:
        InputError: if there are more or fewer classes, or one stands at another position.
    """
    if not source.counts:
        return
    counted = f"source {source.name} of the card tells classes by their positions in the card"
    if len(classes) != len(card):
        raise InputError(
            f"{key}: {counted}, which lists {len(card)}, but `classes` of the dataset are "
            f"{len(classes)}; list all of them in the card's order"
        )
    for theirs in card:
        ours = classes.classes[theirs.index]
        for entry, manifest in ((theirs, classes), (ours, card)):
            found = manifest.find(entry.name)
            if found not in (None, theirs.index):
                place, other = sorted((theirs.index + 1, found + 1))
                raise InputError(
                    f'{key}: {counted}, but "{entry.name}" stands at {place} in one and at {other} '
                    "in the other of the card's classes and `classes` of the dataset; list them "
                    "in the card's order"
                )


def _check_order(classes: ClassManifest, names: Sequence[str], source: Shards, origin: str) -> None:
    """Names may be worded otherwise, but not mean other classes than the numbers."""
    if names and len(names) != len(classes):
        raise InputError(
            f"{origin}: tells of {len(names)} classes, but there are {len(classes)}, so that its "
            "numbers mean others"
        )
    repeated = set(repeats(names))
    for number, name in enumerate(names):
        index = classes.find(_cut(name, source))
        if index not in (None, number) and name not in repeated:
            raise InputError(
                f'{origin}: number {number} is "{name}", which is class {index} of the card, '
                f"although its source {source.name} says `order: card`; remove that"
            )


def _cut(name: str, source: Layout) -> str:
    return re.sub(source.strip or "(?!)", "", name)
