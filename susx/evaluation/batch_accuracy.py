"""Accuracies of a method that sees the test images batch by batch."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from statistics import fmean, stdev

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from susx.config.batches import Stream
from susx.core.errors import InputError
from susx.evaluation.arrays import LabelledImages
from susx.evaluation.batches import BatchDraw
from susx.evaluation.intervals import percent
from susx.methods import Context, Method


def batch_accuracy(
    method: Method,
    context: Context,
    hyperparameters: Mapping[str, float],
    test: LabelledImages,
    draw: BatchDraw,
) -> dict[str, float | int | bool | None]:
    """Accuracy over tasks, and its spread.

    What a method takes from the images that it classifies together, it takes from every batch
    anew. One that keeps what it learned over a stream begins anew with every stream, whose images
    it sees in their order, in batches of its own size. Others classify all images once.

    Args:
        method: the method.
        context: what it knows of all classes; without constants of test images.
        hyperparameters: values in the encoder's units.
        test: the test images.
        draw: batches of them.

    Returns:
        Entries of a row of `batch_runs` of a result.

    Raises:
        InputError: if logits of an image are not finite.
    """
    started = time.perf_counter()
    labels = test.labels.cpu().numpy()
    known = np.setdiff1d(np.arange(context.n_classes), draw.unknown)
    in_order = method.streamed if isinstance(draw.settings, Stream) else None
    tasks = draw.tasks
    if in_order is not None:
        method = replace(method, terms=in_order)
        tasks = [[np.concatenate(task)] for task in tasks]
    fit = method.fit(without_classes(context, draw.unknown), hyperparameters)
    batchwise = method.transductive or method.calibrate is not None
    whole = None if batchwise else known[_best(fit.logits(test.images))]

    def accuracies() -> Iterator[float]:
        for task in tasks:
            correct = counted = 0
            for batch in task:
                if whole is None:
                    rows = torch.from_numpy(batch).to(test.labels.device)
                    predicted = known[_best(fit.logits(test.images[rows]))]
                else:
                    predicted = whole[batch]
                counts = ~np.isin(labels[batch], draw.unknown)
                correct += int((predicted == labels[batch])[counts].sum())
                counted += int(counts.sum())
            yield percent(correct, counted)

    values = list(accuracies())
    return {
        "batchwise": batchwise,
        "keeps_state": in_order is not None,
        "n_tasks": len(values),
        "top1_mean": fmean(values),
        "top1_std": stdev(values) if len(values) > 1 else None,
        "seconds": round(time.perf_counter() - started, 3),
    }


def check_known_support(support: LabelledImages, unknown: NDArray[np.int64], where: str) -> None:
    """Check that support images are left when some classes are taken away.

    Args:
        support: labelled images.
        unknown: the classes that are taken away.
        where: the protocol and the support set, for the message.

    Raises:
        InputError: if none is left.
    """
    if np.isin(support.labels.cpu().numpy(), unknown).all():
        raise InputError(
            f"{where}: all {len(support)} support images are of classes that the protocol draws as "
            "unknown; choose fewer `unknown_classes`, another `seed`, or a support set of more "
            "classes"
        )


def without_classes(context: Context, unknown: NDArray[np.int64]) -> Context:
    """A context without some classes, their texts and their support images.

    The others keep their order, and are numbered anew without gaps.
    """
    if not len(unknown):
        return context
    kept = torch.ones(context.n_classes, dtype=torch.bool, device=context.text.device)
    kept[torch.from_numpy(unknown).to(kept.device)] = False

    numbers = kept.cumsum(dim=0) - 1

    def by_class(part: Tensor | None) -> Tensor | None:
        return None if part is None else part[kept]

    def labelled(rows: Tensor | None, labels: Tensor | None) -> tuple[Tensor | None, Tensor | None]:
        if rows is None or labels is None:
            return None, None
        return rows[kept[labels]], numbers[labels[kept[labels]]]

    support, support_labels = labelled(context.support, context.support_labels)
    texts, text_labels = labelled(context.texts, context.text_labels)
    return replace(
        context,
        text=context.text[kept],
        text_means=by_class(context.text_means),
        text_raw=by_class(context.text_raw),
        support=support,
        support_labels=support_labels,
        texts=texts,
        text_labels=text_labels,
    )


def _best(logits: Tensor) -> NDArray[np.int64]:
    """(N,) places of the highest logits; the first of several that are equal."""
    best: NDArray[np.int64] = logits.cpu().numpy().argmax(axis=1)
    return best
