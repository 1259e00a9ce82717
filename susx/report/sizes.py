"""Test accuracy against the number of support images per class."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from torch import Tensor

from susx.evaluation.arrays import LabelledImages
from susx.evaluation.intervals import accuracy_interval, percent
from susx.evaluation.tuning import place_in_class
from susx.methods import Context
from susx.report.rows import PredictedLabels, Row
from susx.report.schema import SizePoint


def accuracy_by_size(
    row: Row,
    context: Context,
    test: LabelledImages,
    whole: PredictedLabels | None = None,
) -> Iterator[SizePoint]:
    """Test a row with the first 1, 2, 4, ... support images of every class, and with all.

    Args:
        row: the row; its hyper-parameters are kept.
        context: with the whole support set and no constants, which depend on it.
        test: test images.
        whole: (N,) classes by the whole support set, where they are known.
    """
    places = place_in_class(context.required_labels)
    largest = int(places.max()) + 1
    labels = test.labels.cpu().numpy()
    for per_class in halvings(largest):
        some = first_of_classes(context, places, per_class)
        if per_class == largest:
            predicted = row.predict(context, test) if whole is None else whole
        else:
            predicted = replace(row, correct=None).predict(some, test)
        correct = int((predicted == labels).sum())
        low, high = accuracy_interval(correct, len(labels))
        yield SizePoint(
            case=row.case,
            per_class=per_class,
            n_images=len(some.required_labels),
            top1=percent(correct, len(labels)),
            ci95=(low, high),
        )


def halvings(largest: int) -> list[int]:
    """1, 2, 4, ... and the largest."""
    return [*(2**i for i in range(largest.bit_length()) if 2**i < largest), largest]


def first_of_classes(context: Context, places: Tensor, per_class: int) -> Context:
    """The context with only the first support images of every class."""
    keep = places < per_class
    return replace(
        context,
        support=context.required_support[keep],
        support_labels=context.required_labels[keep],
    )
