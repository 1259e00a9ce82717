"""What changed against zero-shot: images, pairs of classes, classes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from susx.evaluation.arrays import LabelledImages
from susx.methods.base import Fit
from susx.methods.voters import voters
from susx.report.pairs import Labels
from susx.report.rows import PredictedLabels
from susx.report.schema import ClassChange, Confusion, Example, Voter

CHANGES: tuple[Literal["corrected"], Literal["broken"]] = ("corrected", "broken")


@dataclass(frozen=True)
class Names:
    """Names of the classes; keys of the test images and of the support images."""

    classes: Sequence[str]
    test: Sequence[str]
    support: Sequence[str]


def changed(
    labels: Labels, before: PredictedLabels, after: PredictedLabels
) -> dict[str, NDArray[np.int64]]:
    """Places of the images that are right only after (`corrected`), or only before (`broken`)."""
    right_before, right_after = before == labels, after == labels
    return {
        "corrected": np.flatnonzero(right_after & ~right_before),
        "broken": np.flatnonzero(right_before & ~right_after),
    }


def examples(
    places: Mapping[str, NDArray[np.int64]],
    predictions: tuple[PredictedLabels, PredictedLabels],
    test: LabelledImages,
    fitted: Fit,
    names: Names,
    limits: tuple[int, int],
    seed: int,
) -> list[Example]:
    """Some changed images, drawn with a seed: typical ones, not the most striking.

    Args:
        places: of `changed`.
        predictions: classes before and after.
        test: test images.
        fitted: the method that is shown, and what it knows.
        names: of classes, and keys.
        limits: of corrected images, and of broken ones; of the support images beside each.
        seed: of the draw.
    """
    random = np.random.default_rng(seed)
    drawn: list[tuple[Literal["corrected", "broken"], int]] = []
    for change in CHANGES:
        some = random.choice(places[change], min(limits[0], len(places[change])), replace=False)
        drawn += [(change, int(place)) for place in np.sort(some)]
    where = torch.tensor([place for _, place in drawn], dtype=torch.int64)
    features = test.images.features[where.to(test.labels.device)]
    labels, (before, after) = test.labels.cpu().numpy(), predictions
    votes = voters(fitted, features, torch.from_numpy(after)[where], limits[1])
    classes = names.classes
    return [
        Example(
            change=change,
            key=names.test[place],
            true=classes[labels[place]],
            before=classes[before[place]],
            after=classes[after[place]],
            voters=[
                Voter(key=names.support[i], class_name=classes[after[place]], vote=vote)
                for i, vote in found
            ],
        )
        for (change, place), found in zip(drawn, votes, strict=True)
    ]


def frequent_confusions(
    labels: Labels, predicted: PredictedLabels, classes: Sequence[str], limit: int
) -> list[Confusion]:
    """The most frequent confusions, then by class index."""
    counts = Counter(zip(labels.tolist(), predicted.tolist(), strict=True))
    wrong = [(pair, count) for pair, count in counts.items() if pair[0] != pair[1]]
    wrong.sort(key=lambda entry: (-entry[1], entry[0]))
    return [
        Confusion(true=classes[true], predicted=classes[other], count=count)
        for (true, other), count in wrong[:limit]
    ]


def class_changes(
    labels: Labels, before: PredictedLabels, after: PredictedLabels, classes: Sequence[str]
) -> list[ClassChange]:
    """Right images of every class."""
    n = len(classes)
    totals = np.bincount(labels, minlength=n).tolist()
    right = [
        np.bincount(labels[predicted == labels], minlength=n).tolist()
        for predicted in (before, after)
    ]
    return [
        ClassChange(name=name, n=total, before=then, after=now)
        for name, total, then, now in zip(classes, totals, *right, strict=True)
    ]
