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


def accuracy_by_size(row: Row, context: Context, test: LabelledImages) -> BySize:
    """Test a row with a growing support set.

    Args:
        row: the row; its hyper-parameters are kept.
        context: with the whole support set and no constants, which depend on it.
        test: test images.

    Raises:
        InputError: if with all more are right, or fewer, than the evaluation says.
    """
    places = place_in_class(context.required_labels)
    sizes = halvings(int(places.max()) + 1)
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


def halvings(largest: int) -> list[int]:
    """1, 2, 4, ... and the largest."""
    return [*(2**i for i in range(largest.bit_length()) if 2**i < largest), largest]
