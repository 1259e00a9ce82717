"""Settings under the names by which a text-to-image pipeline of diffusers knows them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Final

from susx.config.synthesis import Synthesis
from susx.core.errors import InputError

TRUE_GUIDANCE: Final = "true_cfg_scale"
"""Guidance of pipelines whose `guidance_scale` is none, or of distilled models only (QwenImage)."""
OF_PRIOR: Final = {"guidance": "prior_guidance_scale", "steps": "prior_num_inference_steps"}
"""Names of pipelines of two stages, of which the first decides what is shown (Stable Cascade,
Wuerstchen); the second one keeps its own defaults."""
EMPTY: Final = " "
"""Negative prompt of pipelines that guide only away from one: what QwenImage's authors use."""


def pipeline_arguments(
    call: Callable[..., Any], settings: Synthesis, n_images: int
) -> dict[str, Any]:
    """Steps, guidance, negative prompt and size of images, as a pipeline takes them.

    Args:
        call: the pipeline's `__call__`.
        settings: section of the configuration, resolved.
        n_images: images of a pass.

    Raises:
        InputError: naming the key that the pipeline has no argument for.
    """
    known = inspect.signature(call).parameters
    found = _steps(known, settings) | _guidance(known, settings)
    negative = settings.negative_prompt
    if TRUE_GUIDANCE in found and (settings.guidance or 0) > 1:
        negative = negative or EMPTY
    if negative:
        found |= {
            _named(known, "negative_prompt", "negative_prompt", settings): [negative] * n_images
        }
    if settings.image_size:
        found |= {
            _named(known, s, "image_size", settings): settings.image_size
            for s in ("height", "width")
        }
    return found


def _steps(known: Mapping[str, inspect.Parameter], settings: Synthesis) -> dict[str, Any]:
    if "guidance_scale" not in known and OF_PRIOR["steps"] in known:
        return {OF_PRIOR["steps"]: settings.steps}
    return {_named(known, "num_inference_steps", "steps", settings): settings.steps}


def _guidance(known: Mapping[str, inspect.Parameter], settings: Synthesis) -> dict[str, Any]:
    if "guidance_scale" in known:
        found = {"guidance_scale": settings.guidance}
        if known["guidance_scale"].default is None and TRUE_GUIDANCE in known:
            found[TRUE_GUIDANCE] = settings.guidance
        return found
    for name in (TRUE_GUIDANCE, OF_PRIOR["guidance"]):
        if name in known:
            return {name: settings.guidance}
    if not settings.guidance:
        return {}
    return {_named(known, "guidance_scale", "guidance", settings): settings.guidance}


def _named(known: Mapping[str, inspect.Parameter], name: str, key: str, settings: Synthesis) -> str:
    if name not in known:
        remedy = {"guidance": "set it to 0", "steps": "choose another model"}.get(key, "remove it")
        raise InputError(
            f"text-to-image model {settings.model}: its pipeline has no argument `{name}` for "
            f"`{key}`; {remedy}"
        )
    return name
