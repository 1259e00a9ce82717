"""Test accuracy against the number of support images per class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from torch import Tensor

from susx.evaluation.arrays import LabelledImages
from susx.evaluation.intervals import accuracy_interval, percent
from susx.evaluation.tuning import place_in_class
from susx.methods import Context
from susx.methods.growing import grown
from susx.report.rows import PredictedLabels, Row
from susx.report.schema import SizePoint

MOST_LOGITS = 50_000_000
"""Logits, of all sizes together, up to which a costly method is fitted anew for every size:
those of five sizes on SUN397's 19,850 images are 40 million, and two minutes of `fusion`."""


@dataclass(frozen=True)
class BySize:
    """A row with ever more support images.

    Attributes:
        points: accuracy with the first 1, 2, 4, ... support images of every class, and with all.
        predicted: (N,) classes of the test images with all.
        constants: of the test images with all, where the method works them out.
    """

    points: list[SizePoint]
    predicted: PredictedLabels
    constants: Mapping[str, Tensor]


def is_too_long(row: Row, context: Context, test: LabelledImages) -> bool:
    """Whether a costly method would learn from too many images, once for every size."""
    if not row.method.costly:
        return False
    sizes, counts = sizes_of(context.required_labels), context.required_labels.bincount()
    n_images = sum(int(counts.clamp(max=size).sum()) for size in sizes)
    if row.method.transductive:
        n_images += len(sizes) * len(test)
    return n_images * context.n_classes > MOST_LOGITS


def accuracy_by_size(row: Row, context: Context, test: LabelledImages) -> BySize:
    """Test a row with a growing support set, or only with all of it where that `is_too_long`.

    Args:
        row: the row; its hyper-parameters are kept.
        context: with the whole support set and no constants, which depend on it.
        test: test images.

    Raises:
        InputError: if with all more are right, or fewer, than the evaluation says.
    """
    places, sizes = place_in_class(context.required_labels), sizes_of(context.required_labels)
    if is_too_long(row, context, test):
        sizes = sizes[-1:]
    starts = [0, *sizes[:-1]]
    parts = [
        ((places >= start) & (places < stop)).nonzero()[:, 0]
        for start, stop in zip(starts, sizes, strict=True)
    ]
    labels = test.labels.cpu().numpy()
    predicted = np.empty((len(parts), len(labels)), np.int64)
    constants: Mapping[str, Tensor] = {}
    fitted = row.method.fit(context, row.hyperparameters)
    for found in grown(fitted, test.images, parts):
        predicted[found.n_parts - 1, found.rows] = found.logits.cpu().numpy().argmax(axis=1)
        if found.n_parts == len(parts):
            constants = found.constants
    points = []
    n_images = accumulate(len(part) for part in parts)
    for per_class, n, some in zip(sizes, n_images, predicted, strict=True):
        correct = int((some == labels).sum())
        low, high = accuracy_interval(correct, len(labels))
        points.append(
            SizePoint(
                case=row.case,
                per_class=per_class,
                n_images=n,
                top1=percent(correct, len(labels)),
                ci95=(low, high),
            )
        )
    return BySize(points, row.checked(predicted[-1], test), constants)


def sizes_of(labels: Tensor) -> list[int]:
    """Images per class at most, 1, 2, 4, ... and those of the largest class."""
    largest = int(labels.bincount().max())
    return [*(2**i for i in range(largest.bit_length()) if 2**i < largest), largest]
