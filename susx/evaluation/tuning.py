"""Tuning protocols: where a method's hyper-parameters come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from susx.core.errors import InputError
from susx.evaluation.arrays import LabelledImages
from susx.methods import Axis, Context, Images, Method, Points
from susx.search.grid import Grid, SearchResult, best_point, search
from susx.search.planes import Plane, planes

FOLDS = 5
"""Folds of protocol `support`, at most, as is usual: four fifths of the support set vote."""


@dataclass(frozen=True)
class TuningSettings:
    """How to tune.

    Attributes:
        grid: per method, axes in place of the published ones, in published units.
        fixed: per method, values of protocol `fixed` in place of the published ones.
        continuous: whether the last linear hyper-parameter is optimised over the whole range of
            its grid instead of at the grid's values.
        memory_mib: working memory of a search; that of `susx.search.blocks` if None.
        validation_split: what the validation images are: `validation`, or `test` where the
            dataset has no other.
    """

    grid: Mapping[str, Mapping[str, Axis | Points]] = field(default_factory=dict)
    fixed: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    continuous: bool = False
    memory_mib: int | None = None
    validation_split: str = "validation"

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> TuningSettings:
        """Read settings from plain values, whose axes are mappings."""
        grid = {
            method: {name: Axis(**axis) for name, axis in axes.items()}
            for method, axes in values["grid"].items()
        }
        return cls(**{**values, "grid": grid})


@dataclass(frozen=True)
class TuningResult:
    """Chosen hyper-parameters.

    Attributes:
        hyperparameters: values in the encoder's units.
        split: what they were chosen on: `nothing`, `validation`, `support` or `test`.
        correct: how many images of that split, or else of the validation split, they get right;
            None without such images.
        planes: of the grid that was searched, if one was.
    """

    hyperparameters: dict[str, float]
    split: str
    correct: int | None
    planes: Sequence[Plane] = ()


def tune(
    method: Method,
    context: Context,
    protocol: str,
    settings: TuningSettings,
    validation: LabelledImages | None,
) -> TuningResult:
    """Choose hyper-parameters by a protocol.

    Args:
        method: what to tune.
        context: what it may know.
        protocol: `none`, `fixed`, `validation` or `support`.
        settings: grids, values and kind of search.
        validation: labelled validation images, if there are any.

    Raises:
        InputError: if the protocol's images are missing.
    """
    if protocol == "support":
        grid = grid_of(method, context, settings)
        found = search_support(method, context, grid, settings.memory_mib)
        seen = list(planes(found, grid))
        return TuningResult(found.hyperparameters, "support", found.correct, seen)
    if protocol == "validation":
        if validation is None:
            raise InputError("protocol validation needs validation images")
        grid = grid_of(method, context, settings)
        terms = method.finite_terms(context, validation.images)
        found = search(
            terms,
            validation.labels,
            grid,
            continuous=settings.continuous,
            memory_mib=settings.memory_mib,
        )
        best, seen = found.continuous or found, list(planes(found, grid))
        return TuningResult(best.hyperparameters, settings.validation_split, best.correct, seen)
    given = {**method.fixed, **settings.fixed.get(method.name, {})}
    values = method.scaled(given, context.logit_scale)
    if validation is None:
        return TuningResult(values, "nothing", None)
    terms = method.finite_terms(context, validation.images)
    found = search(terms, validation.labels, {name: [value] for name, value in values.items()})
    return TuningResult(values, "nothing", found.correct)


def grid_of(method: Method, context: Context, settings: TuningSettings) -> dict[str, list[float]]:
    """Values to search per hyper-parameter, in the encoder's units."""
    axes = {**method.grid, **settings.grid.get(method.name, {})}
    return {
        name: replace(axes[name], scaled=axis.scaled).values(context.logit_scale)
        for name, axis in method.grid.items()
    }


def search_support(
    method: Method, context: Context, grid: Grid, memory_mib: int | None = None
) -> SearchResult:
    """Search a grid on the support set itself: every image is judged by those of other folds.

    An image's fold is its place within its class modulo the number of folds, at most `FOLDS` and
    at most the size of the smallest class, so that no class is ever without support.

    Raises:
        InputError: if a class has only one support image.
    """
    support, labels = context.required_support, context.required_labels
    folds = fold_of(labels, context.n_classes)
    counts = []
    for fold in range(int(folds.max()) + 1):
        held = folds == fold
        rest = replace(context, support=support[~held], support_labels=labels[~held])
        terms = method.finite_terms(rest, Images(support[held]))
        counts.append(search(terms, labels[held], grid, memory_mib=memory_mib).counts)
    return best_point(np.sum(counts, axis=0), grid)


def fold_of(labels: Tensor, n_classes: int) -> Tensor:
    """Fold of every support image, (M,).

    Raises:
        InputError: if a class has only one image.
    """
    sizes = labels.bincount(minlength=n_classes)
    smallest = int(sizes.min())
    if smallest < 2:
        raise InputError("protocol support needs two support images of every class")
    return place_in_class(labels) % min(FOLDS, smallest)


def place_in_class(labels: Tensor) -> Tensor:
    """(M,) how many images of the same class stand before every image."""
    order = labels.argsort(stable=True)
    sizes = labels.bincount()
    starts = (sizes.cumsum(0) - sizes)[labels[order]]
    places = torch.empty_like(labels)
    places[order] = torch.arange(len(labels), device=labels.device) - starts
    return places
