"""Section `features` of config.yaml: embeddings that others publish, in place of images."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from susx.config.types import FilePath, Finite, Positive, Section, Slug, WithoutRepeats

SupportName = Literal["lc-photo", "lc-cupl", "sd-photo", "sd-cupl"]
TextName = Literal["ensemble", "cupl", "combined"]

LAYOUT_KEYS = {"susx": {"support", "text"}, "tip-adapter": {"shots", "encoder", "text_files"}}
"""Keys that only one layout knows."""


def _listed(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


class FeatureSettings(Section):
    """Embeddings that others publish, in place of images."""

    layout: Literal["susx", "tip-adapter"] = Field(
        description="Whose file names: those of SuS-X or those of Tip-Adapter; docs/features.md."
    )
    root: FilePath = Field(
        description="Folder of the files; for `tip-adapter` the one that holds `caches/`."
    )
    backbone: Slug = Field(
        description="Model that made them, as in the file names of `susx`; stands for the encoder "
        "in caches and results."
    )
    name: Slug | None = Field(
        None, description="Name of the dataset in the file names; that of the entry if left out."
    )
    support: Annotated[
        list[SupportName],
        BeforeValidator(_listed, json_schema_input_type=SupportName | list[SupportName]),
        WithoutRepeats,
    ] = Field([], description="`susx`: support sets, one or a list.")
    text: Annotated[
        list[TextName],
        Field(min_length=1),
        BeforeValidator(_listed, json_schema_input_type=TextName | list[TextName]),
        WithoutRepeats,
    ] = Field(
        ["ensemble", "cupl", "combined"],
        description="`susx`: text classifiers; `combined` is prompt strategy `cupl+e`.",
    )
    shots: Annotated[list[Positive], WithoutRepeats] = Field(
        [], description="`tip-adapter`: images per class of the support sets, `{K}-shot` each."
    )
    encoder: str | None = Field(
        None,
        description="`tip-adapter`: encoder of the texts; it must be the model of the features.",
    )
    text_files: dict[Slug, str] = Field(
        {}, description="`tip-adapter`: text classifiers, .pt files by prompt strategy."
    )
    logit_scale: Annotated[Finite, Field(gt=0)] = Field(
        100.0, description="Factor on cosines; an `encoder` of the texts brings its own."
    )

    @model_validator(mode="after")
    def _fits_layout(self) -> FeatureSettings:
        for layout, keys in LAYOUT_KEYS.items():
            foreign = sorted(keys & self.model_fields_set)
            if foreign and layout != self.layout:
                raise ValueError(f"`{foreign[0]}` is a key of layout `{layout}`; remove it")
        if self.layout == "tip-adapter" and (self.encoder is None) == (not self.text_files):
            raise ValueError("give `encoder` (texts are embedded) or `text_files`, not both")
        if self.encoder is not None and "logit_scale" in self.model_fields_set:
            raise ValueError("`logit_scale` is that of `encoder`; remove it")
        return self
