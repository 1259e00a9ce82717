"""Section of config.yaml for synthesised support sets, and its presets."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import Field, model_validator

from susx.config.types import Count, FilePath, Finite, Positive, Section

Guidance = Annotated[Finite, Field(ge=0)]
ImageSize = Annotated[int, Field(gt=0, multiple_of=8)]

# `paper`: SuS-X (Udandarao et al., ICCV 2023), appendix; `fast`: what the model card of SD-Turbo
# recommends, in its range of one to four steps; `demo`: the tiny model of this project's demo.
PRESETS: Final[dict[str, dict[str, Any]]] = {
    "paper": {"model": "CompVis/stable-diffusion-v1-4", "steps": 85, "guidance": 9.5},
    "fast": {"model": "stabilityai/sd-turbo", "steps": 4, "guidance": 0.0},
    "demo": {"model": "demo/diffusion_model", "steps": 20, "guidance": 4.0},
}


class Synthesis(Section):
    """A support set drawn by a text-to-image model (SuS-SD), from class names alone."""

    source: Literal["synthesis"] = Field(description="Kind of support set.")
    preset: Literal["paper", "fast", "demo"] | None = Field(
        None,
        description="Defaults of `model`, `steps` and `guidance`: `paper` is Stable Diffusion v1-4 "
        "with 85 steps and guidance 9.5, `fast` SD-Turbo with 4 steps and none, `demo` the tiny "
        "model of the flag demo.",
    )
    model: FilePath | None = Field(
        None, description="Local folder of a diffusers pipeline, or hub identifier."
    )
    revision: str | None = Field(None, description="Hub revision; pin it for reproducibility.")
    query: str = Field(
        "photo",
        description="Prompt strategy: the texts that images are drawn from, `photo` (one text, "
        "repeated) or `cupl` (its descriptions in random order) in the paper.",
    )
    size: Positive = Field(16, description="Images per class.")
    seed: Count = Field(0, description="Seed of noise and of the order of texts.")
    steps: Positive | None = Field(None, description="Denoising steps.")
    guidance: Guidance | None = Field(None, description="Classifier-free guidance; 0 is none.")
    negative_prompt: str | None = Field(None, description="What images should not show.")
    image_size: ImageSize | None = Field(
        None, description="Side of the square images in pixels; the model's own if left out."
    )
    precision: Literal["auto", "float32", "float16", "bfloat16"] = Field(
        "auto", description="`auto`: float16 on CUDA, else float32."
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = Field("auto", description="Where it runs.")
    batch_size: Positive = Field(
        16, description="Images per pass at most; halved while memory does not suffice."
    )
    chunk: Positive = Field(25, description="Classes per job.")
    threads: Positive = Field(4, description="CPU threads of a job, at most `--cores`.")

    @model_validator(mode="after")
    def _resolvable(self) -> Synthesis:
        wanted = ("model", "steps", "guidance")
        lacking = [key for key in wanted if getattr(self, key) is None]
        if self.preset is None and lacking:
            raise ValueError(
                f"give `preset` ({', '.join(PRESETS)}), or all of `model`, `steps` and `guidance`: "
                f"`{lacking[0]}` is missing"
            )
        return self

    def resolved(self) -> Synthesis:
        """The same with the preset's values in place of what is left out.

        A model of one's own keeps the preset's steps and guidance.
        """
        values = PRESETS[self.preset] if self.preset else {}
        return self.model_copy(
            update={key: value for key, value in values.items() if getattr(self, key) is None}
        )
