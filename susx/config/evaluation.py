"""Section `evaluation` of config.yaml."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from susx.config.batches import BatchProtocol
from susx.config.types import (
    AxisSettings,
    DistinctNames,
    Finite,
    Positive,
    Section,
    Slug,
    WithoutRepeats,
)
from susx.methods import STANDARD

TuningProtocol = Literal["validation", "support", "fixed"]


class EvaluationSettings(Section):
    """What is compared, and how hyper-parameters are chosen."""

    methods: DistinctNames = Field(STANDARD, min_length=1, description="Methods, in table order.")
    encoders: DistinctNames | None = Field(None, description="Encoders; all of them if left out.")
    supports: DistinctNames | None = Field(None, description="Support sets; all if left out.")
    texts: Annotated[DistinctNames, Field(min_length=1)] | None = Field(
        None,
        description="Prompt strategies under the methods that do not name their own; if left out, "
        "`cupl+e` for datasets with descriptions, else `ensemble`.",
    )
    protocols: Annotated[list[TuningProtocol], WithoutRepeats] = Field(
        ["validation", "fixed"],
        min_length=1,
        description="`validation`: the grid point with most correct validation images; `support`: "
        "the same on held-out support images, without any label of the target; `fixed`: the "
        "values under `fixed`.",
    )
    search: Literal["grid", "continuous"] = Field(
        "grid",
        description="`continuous`: protocol `validation` optimises gamma, or alpha for methods "
        "without gamma, over the whole range of its grid.",
    )
    grid: dict[str, dict[str, AxisSettings]] = Field(
        {},
        description="Per method, grids in place of the published ones and of those of a dataset. "
        "Alpha and gamma are in "
        "units of CLIP's logit scale of 100 and are rescaled to the encoder's.",
    )
    fixed: dict[str, dict[str, Finite]] = Field(
        {}, description="Per method, values of protocol `fixed` in place of the defaults."
    )
    leaks: Literal["keep", "drop"] = Field(
        "keep",
        description="What becomes of support images that nearly equal a test image. They are "
        "listed in the result; `keep` also tells the accuracy without them.",
    )
    batches: dict[Slug, BatchProtocol] = Field(
        {},
        description="Further accuracies, by name: of methods that see the test images batch by "
        "batch, in place of all at once. Hyper-parameters are those of the other rows.",
    )
    memory_mib: Positive | None = Field(
        None, description="Working memory of the search, in MiB; chosen by device if left out."
    )
