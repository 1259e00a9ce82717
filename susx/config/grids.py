"""Grids of hyper-parameters by method, for cards, datasets and the evaluation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator

from susx.config.problems import choices
from susx.config.types import AxisSettings
from susx.core.errors import suggestion
from susx.methods import METHODS


def unknown_hyperparameters(values: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """What stands by method and hyper-parameter, and is neither: `name: problem`, one line each."""
    for name, axes in values.items():
        if name not in METHODS:
            yield f"{name}: unknown method{suggestion(name, METHODS)}"
            continue
        valid = METHODS[name].grid
        for key in axes:
            if key not in valid:
                yield f"{name}.{key}: unknown key{suggestion(key, valid) or choices(valid)}"


def _known(grids: dict[str, dict[str, AxisSettings]]) -> dict[str, dict[str, AxisSettings]]:
    for problem in unknown_hyperparameters(grids):
        raise ValueError(problem)
    return grids


MethodGrids = Annotated[dict[str, dict[str, AxisSettings]], AfterValidator(_known)]
