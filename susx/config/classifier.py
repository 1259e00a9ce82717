"""Section `classifier` of config.yaml, and what it means for a dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from susx.config.types import Section

if TYPE_CHECKING:
    pass


class ClassifierSettings(Section):
    """Which row of the result becomes a classifier file, and predicts."""

    encoder: str | None = Field(
        None, description="Encoder of the predictions; the first evaluated one if left out."
    )
    method: str | None = Field(
        None,
        description="Method; if left out `tip-x`, or without a support set the first of `cupl+e`, "
        "`cupl` and `zero-shot` that has its texts. Methods that learn from all images that "
        "they classify together make no file, but for `dn` and `zlap-sparse`.",
    )
    text: str | None = Field(
        None,
        description="Prompt strategy under a method that does not name its own; if left out, the "
        "first of `evaluation.texts`, `cupl+e` and `ensemble` that the dataset has.",
    )
    support: str | None = Field(
        None, description="Support set, a few-shot one by its first seed; the first if left out."
    )
    protocol: Literal["validation", "support", "fixed"] | None = Field(
        None,
        description="How hyper-parameters are chosen; if left out `validation` where validation "
        "images are labelled, else `fixed`.",
    )
