"""What a classifier file says of itself, beside its tensors."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, NonNegativeInt

from susx.config.encoders import WITH_ITS_LIBRARY, EncoderSettings
from susx.core.errors import InputError
from susx.manifests.classes import ClassManifest, ClassName

FORMAT: Literal["susx-classifier-1"] = "susx-classifier-1"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Calibration(_Strict):
    """Where the numbers come from that no hyper-parameter is."""

    temperature_on: Literal["validation", "support", "nothing"] = Field(
        description="Images that the temperature was fitted on."
    )
    temperature_images: NonNegativeInt = Field(description="Their number.")
    constants_on: Literal["test", "support", "nothing"] = Field(
        description="Images that the method's constants were taken from; `nothing` if it has none."
    )


class TestScore(_Strict):
    """How the classifier does on the labelled test images, as in the result file."""

    n: NonNegativeInt = Field(description="Test images.")
    correct: NonNegativeInt = Field(description="Those that it gets right.")


class ClassMeta(_Strict):
    """A class, as in the class manifest."""

    index: NonNegativeInt
    name: str
    slug: str
    aliases: list[str]
    wnid: str | None


class ClassifierMeta(_Strict):
    """Everything of a classifier that is not a tensor."""

    format: Literal["susx-classifier-1"] = Field(description="Version of the file.")
    dataset: str = Field(description="Name in config.yaml.")
    method: str = Field(description="Method.")
    text: str = Field(description="Prompt strategy.")
    support: str | None = Field(description="Support set.")
    protocol: str = Field(description="How hyper-parameters were chosen.")
    tuned_on: str = Field(description="Split that they were chosen on.")
    hyperparameters: dict[str, FiniteFloat] = Field(description="In the encoder's units.")
    logit_scale: FiniteFloat = Field(gt=0, description="The encoder's factor on cosines.")
    temperature: FiniteFloat = Field(gt=0, description="What logits are divided by.")
    calibration: Calibration = Field(description="What constants and temperature were taken from.")
    tested: TestScore | None = Field(description="Test result, if there are labelled test images.")
    classes: list[ClassMeta] = Field(min_length=1, description="Classes in label order.")
    classes_sha256: str = Field(description="Hash of the class manifest.")
    support_keys: list[str] = Field(description="Keys of the support images.")
    encoder_name: str = Field(description="Name in config.yaml.")
    encoder: dict[str, Any] = Field(description="Library, model, revision, weights, preprocessing.")
    encoder_settings: Annotated[EncoderSettings, WITH_ITS_LIBRARY] = Field(
        description="Section of config.yaml that loads it."
    )
    inputs: dict[str, str | None] = Field(description="Hashes of what was embedded.")
    versions: dict[str, str] = Field(description="Packages that made it.")

    def manifest(self, path: str) -> ClassManifest:
        """The class manifest.

        Raises:
            InputError: if its hash is not the stored one.
        """
        manifest = class_manifest_of(self.classes)
        if manifest.sha256 != self.classes_sha256:
            raise InputError(f"{path}: class names do not fit their stored hash; export it again")
        return manifest


def class_manifest_of(entries: list[ClassMeta]) -> ClassManifest:
    """A class manifest from the entries of a file."""
    rows = ({**entry.model_dump(), "aliases": tuple(entry.aliases)} for entry in entries)
    return ClassManifest(tuple(ClassName(**row) for row in rows))


def entries_of(manifest: ClassManifest) -> list[ClassMeta]:
    """The entries of a class manifest."""
    return [ClassMeta(**{**asdict(name), "aliases": list(name.aliases)}) for name in manifest]
