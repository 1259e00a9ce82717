"""Section `report` of config.yaml."""

from __future__ import annotations

from pydantic import Field

from susx.config.types import Count, Positive, Section


class ReportSettings(Section):
    """What a report shows."""

    examples: Count = Field(
        12,
        description="Test images that the shown method corrects against zero-shot, at most; and as "
        "many that it breaks.",
    )
    voters: Count = Field(
        3, description="Support images beside each of them: those that voted most for the answer."
    )
    confusions: Count = Field(10, description="Most confused pairs of classes, at most.")
    images_per_class: Positive = Field(
        4, description="Images shown per class of every source, at most."
    )
    thumbnail: Positive = Field(96, description="Longer side of a shown image in pixels, at most.")
