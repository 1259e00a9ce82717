"""Section `encoders` of config.yaml: image-text models, and the libraries that load them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    Field,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from susx.config.registered import Registered, wrong_section
from susx.config.types import FilePath, Positive, Section
from susx.core.models import files_of_model
from susx.core.processor import has_bfloat16_units
from susx.core.registry import Registry

HUB_PREFIX = "hf-hub:"
"""What open_clip writes before identifiers of the hub."""

TOKENIZER = "google-bert/bert-base-uncased"
"""What `blip` and `tcl` take their tokenizer from, if nothing else is named."""

ONLY_FOR = {
    "architecture": ("open-clip",),
    "tokenizer": ("blip", "tcl"),
    "image_size": ("blip", "tcl"),
}

RUNS_ANYHOW = {"device", "batch_size", "threads", "backbone"}
"""Keys that do not change what comes out, but for rounding."""
BUILT_IN = ("transformers", "open-clip", "blip", "tcl")
"""Libraries that come with this package."""


def _known(library: str) -> str:
    LIBRARIES.named(library)
    return library


class EncoderSettings(Section):
    """An image-text encoder."""

    library: Annotated[
        str, AfterValidator(_known), WithJsonSchema({"type": "string", "enum": list(BUILT_IN)})
    ] = Field(description="Library or format that loads the model.")
    model: FilePath = Field(description="Local folder, checkpoint file, or hub identifier.")
    architecture: str | None = Field(
        None,
        description="`open-clip`: its name for the architecture, such as `RN50-quickgelu`, where "
        "`model` is a checkpoint file or one of its tags.",
    )
    tokenizer: FilePath | None = Field(
        None,
        description="`blip` and `tcl`: folder or hub identifier of the tokenizer; "
        "`google-bert/bert-base-uncased` if left out.",
    )
    image_size: Positive | None = Field(
        None,
        description="`blip` and `tcl`: side of the input in pixels, if not the checkpoint's own.",
    )
    backbone: str | None = Field(
        None,
        description="What papers call it, such as `RN50` or `ViT-B/32`; the printed table then "
        "shows what they report beside what was measured.",
    )
    revision: str | None = Field(None, description="Hub revision; pin it for reproducibility.")
    device: Literal["auto", "cpu", "cuda", "mps"] = Field("auto", description="Where it runs.")
    precision: Literal["auto", "float32", "float16", "bfloat16"] = Field(
        "float32",
        description="Precision of weights and forward pass. `auto`: bfloat16 if it may run on a "
        "CPU and that of this machine has units for it (AMX, AVX-512 BF16), else float32.",
    )
    compile: bool = Field(
        False, description="Whether to compile the forward pass with `torch.compile`."
    )
    jpeg_draft: bool = Field(
        False,
        description="Whether JPEGs are decoded at the smallest scale that is not below the "
        "input's size: faster, and not quite what the publisher does.",
    )
    upright: bool = Field(
        False,
        description="Whether images are turned as their EXIF says. The published evaluations did "
        "not; photos of a telephone need it.",
    )
    store: Literal["float32", "float16"] = Field("float32", description="Precision of the caches.")
    batch_size: Positive = Field(256, description="Images or texts per forward pass.")
    threads: Positive = Field(4, description="CPU threads of an embedding job, at most `--cores`.")

    @field_validator("precision")
    @classmethod
    def _resolved(cls, precision: str, known: ValidationInfo) -> str:
        """What `auto` stands for, so that recipes, caches and jobs elsewhere name a precision."""
        if precision != "auto":
            return precision
        on_cpu = known.data.get("device") in ("auto", "cpu")
        return "bfloat16" if on_cpu and has_bfloat16_units() else "float32"

    @model_validator(mode="after")
    def _apt(self) -> EncoderSettings:
        for key, libraries in ONLY_FOR.items():
            if getattr(self, key) is not None and self.library not in libraries:
                names = " and ".join(f"`{library}`" for library in libraries)
                raise ValueError(f"`{key}` is only for library {names}; remove it")
        return self


@dataclass(frozen=True)
class Library:
    """A library of encoders: how one is configured, and what loads it.

    Attributes:
        load: `module:function` from a section to an encoder, imported where something is embedded.
        section: of the configuration.
        on_hub: whether a model that is no file or folder here is one of the Hugging Face hub.
    """

    load: str
    section: type[EncoderSettings] = EncoderSettings
    on_hub: bool = True


LIBRARIES: Registry[Library] = Registry(
    "encoder library",
    "susx.encoders",
    {
        "transformers": Library("susx.encoders.transformers_models:load"),
        "open-clip": Library("susx.encoders.open_clip_models:load"),
        "blip": Library("susx.encoders.blip:load_blip"),
        "tcl": Library("susx.encoders.blip:load_tcl"),
    },
    lambda name, found: wrong_section(name, found, Library, EncoderSettings, "library"),
)
"""Encoder libraries by name; one entry adds one."""

WITH_ITS_LIBRARY = Registered(LIBRARIES, "library", tagged=False)
"""Marks a section of an encoder as that which its library says."""


def encoder_section(**settings: Any) -> EncoderSettings:
    """The section of an encoder from plain values, of the class that its library says.

    Raises:
        InputError: if there is no such library.
    """
    return LIBRARIES.named(settings["library"]).section(**settings)


def local_files(settings: EncoderSettings) -> list[str]:
    """Files of a model on this machine, which its embeddings depend on; none for the hub's."""
    names = (settings.model, settings.tokenizer)
    return [file for name in names if name for file in files_of_model(name)]


def local_keys(settings: EncoderSettings) -> set[str]:
    """Keys that only tell where files on this machine are; these are known by their content."""
    named = {key: getattr(settings, key) for key in ("model", "tokenizer")}
    return {key for key, name in named.items() if name and Path(name).exists()}


def published_models(settings: EncoderSettings) -> list[tuple[str, str | None]]:
    """Models that the hub publishes: identifier and revision."""
    tokenizer = settings.tokenizer
    if settings.library in ONLY_FOR["tokenizer"] and tokenizer is None:
        tokenizer = TOKENIZER
    found = [(settings.model, settings.revision), (tokenizer, None)]
    if not LIBRARIES[settings.library].on_hub:
        return []
    return [
        (name.removeprefix(HUB_PREFIX), revision)
        for name, revision in found
        if name and not Path(name).exists() and ("/" in name or settings.library != "open-clip")
    ]
