"""Test accuracy against the number of support images per class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from susx.evaluation.arrays import LabelledImages
from susx.evaluation.intervals import accuracy_interval, percent
from susx.evaluation.tuning import place_in_class
from susx.methods import Context
from susx.methods.base import row_blocks
from susx.methods.growing import grown
from susx.report.rows import PredictedLabels, Row
from susx.report.schema import SizePoint

MOST_LOGITS = 50_000_000
"""Logits, of all sizes together, up to which a method that learns from all test images does so anew
for every size: five of the 19,850 images of SUN397 are 40 million, and two minutes of `fusion`."""


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
    """Whether a row would learn from too many test images, once for every size."""
    anew = row.method.transductive and row.method.growing is None
    n_sizes = len(sizes_of(context.required_labels))
    return anew and n_sizes * len(test) * context.n_classes > MOST_LOGITS


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
    predicted = np.empty(len(labels), np.int64)
    points: list[SizePoint] = []
    n_images = 0
    constants: Mapping[str, Tensor] = {}
    fitted = row.method.fit(context, row.hyperparameters)
    for per_class, part, found in zip(sizes, parts, grown(fitted, test.images, parts), strict=True):
        for rows in row_blocks(len(labels), context.n_classes):
            predicted[rows] = found.logits(rows).cpu().numpy().argmax(axis=1)
        n_images, constants = n_images + len(part), found.constants
        correct = int((predicted == labels).sum())
        low, high = accuracy_interval(correct, len(labels))
        points.append(
            SizePoint(
                case=row.case,
                per_class=per_class,
                n_images=n_images,
                top1=percent(correct, len(labels)),
                ci95=(low, high),
            )
        )
    return BySize(points, row.checked(predicted, test), constants)


def sizes_of(labels: Tensor) -> list[int]:
    """Images per class at most, 1, 2, 4, ... and those of the largest class."""
    largest = int(labels.bincount().max())
    return [*(2**i for i in range(largest.bit_length()) if 2**i < largest), largest]
