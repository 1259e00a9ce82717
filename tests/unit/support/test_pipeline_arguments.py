"""Pipelines of diffusers get the arguments that they know."""

from typing import Any

import pytest
from diffusers import (
    FluxPipeline,
    LatentConsistencyModelPipeline,
    QwenImagePipeline,
    StableCascadeCombinedPipeline,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
)

from susx.config.synthesis import Synthesis
from susx.core.errors import InputError
from susx.support.pipeline_arguments import pipeline_arguments

PLAIN = {"source": "synthesis", "model": "m", "steps": 9, "guidance": 4.0}


def arguments(call: Any, **changes: Any) -> dict[str, Any]:
    return pipeline_arguments(call, Synthesis(**{**PLAIN, **changes}), 2)


@pytest.mark.parametrize("kind", [StableDiffusionPipeline, StableDiffusionXLPipeline, FluxPipeline])
def test_most_pipelines_know_guidance_scale(kind: Any) -> None:
    plain = {"num_inference_steps": 9, "guidance_scale": 4.0}
    assert arguments(kind.__call__) == plain
    more = {"negative_prompt": ["x", "x"], "height": 32, "width": 32}
    assert arguments(kind.__call__, negative_prompt="x", image_size=32) == {**plain, **more}


def test_qwen_image_is_guided_away_from_a_negative_prompt() -> None:
    call = QwenImagePipeline.__call__
    told = arguments(call)
    assert (told["true_cfg_scale"], told["negative_prompt"]) == (4.0, [" ", " "])
    assert arguments(call, negative_prompt="x")["negative_prompt"] == ["x", "x"]
    assert "negative_prompt" not in arguments(call, guidance=0)

    def later(prompt: str, negative_prompt: str, true_cfg_scale: float, num_inference_steps: int):
        """As later versions have it, without `guidance_scale`."""

    told = arguments(later)
    assert told.keys() == {"num_inference_steps", "true_cfg_scale", "negative_prompt"}


def test_the_first_of_two_stages_is_guided() -> None:
    told = arguments(StableCascadeCombinedPipeline.__call__)
    assert told == {"prior_num_inference_steps": 9, "prior_guidance_scale": 4.0}


def test_a_pipeline_without_guidance_is_not_guided() -> None:
    def call(prompt: str, num_inference_steps: int) -> None: ...

    assert arguments(call, guidance=0) == {"num_inference_steps": 9}
    with pytest.raises(
        InputError, match="no argument `guidance_scale` for `guidance`; set it to 0"
    ):
        arguments(call)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (
            {"negative_prompt": "x"},
            "no argument `negative_prompt` for `negative_prompt`; remove it",
        ),
        (
            {},
            "m: its pipeline has no argument `num_inference_steps` for `steps`; choose another",
        ),
    ],
)
def test_settings_that_a_pipeline_does_not_know_are_named(
    changes: dict[str, Any], says: str
) -> None:
    def call(prompt: str, guidance_scale: float) -> None: ...

    known = LatentConsistencyModelPipeline.__call__ if changes else call
    with pytest.raises(InputError, match=says):
        arguments(known, **changes)
