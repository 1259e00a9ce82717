"""Tiny models of open_clip in its folder format, and what open_clip makes of them."""

import json
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from safetensors.torch import save_file

from tests.contract.cases import EncoderCase, Reference
from tests.encoder_cases import PATCH_TERMS, terms_of_layers, widen
from tests.helpers import CONTEXT
from tests.torchvision_stand_in import import_open_clip

DIM = 16
TEXT = {"context_length": CONTEXT, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1}
VIT = {"image_size": 32, "patch_size": 8, "width": 32, "head_width": 16, "layers": 2}
RESNET = {"image_size": 64, "layers": [1, 1, 1, 1], "width": 8, "patch_size": None}
MEAN, STD = (0.5, 0.4, 0.6), (0.25, 0.2, 0.3)


def save(vision: dict[str, Any], folder: Path, **model: Any) -> dict[str, Any]:
    """Write configuration and weights as open_clip pushes them to the hub."""
    open_clip = import_open_clip()
    config = {"embed_dim": DIM, "vision_cfg": vision, "text_cfg": TEXT, **model}
    made = open_clip.model.CLIP(**config)
    widen(made)
    with torch.no_grad():
        made.logit_scale.fill_(3.0)
        for name, weight in made.visual.named_parameters():
            if name.endswith("bn3.weight"):
                weight.fill_(1)
            elif "conv" in name:
                weight.mul_(1.5)
            elif name.startswith(("attnpool.q", "attnpool.k")):
                weight.mul_(2)  # a softmax of larger numbers would magnify their rounding
            elif name.startswith("attnpool.pos"):
                weight.mul_(5)
    folder.mkdir(parents=True)
    save_file(made.state_dict(), folder / "open_clip_model.safetensors")
    preprocessing = {"mean": MEAN, "std": STD, "interpolation": "bicubic"}
    written = {"model_cfg": config, "preprocess_cfg": preprocessing}
    (folder / "open_clip_config.json").write_text(json.dumps(written), "utf-8")
    return {"model": str(folder)}


def reference(said: dict[str, Any], images: list[Image.Image], texts: list[str]) -> Reference:
    """Features by open_clip; patches as its own modules compute and then drop them."""
    open_clip = import_open_clip()
    name = f"local-dir:{said['model']}"
    model, transform = open_clip.create_model_from_pretrained(name)
    model.eval()
    pixels = torch.stack([transform(image) for image in images])
    with torch.no_grad():
        image = model.encode_image(pixels)
        text = model.encode_text(open_clip.get_tokenizer(name)(texts))
        if hasattr(model.visual, "attnpool"):
            patches = _answers(open_clip, model, pixels)
        else:
            model.visual.output_tokens = True
            patches = model.visual(pixels)[1] @ model.visual.proj
    return Reference(pixels, image, patches, text)


def _answers(open_clip: Any, model: Any, pixels: torch.Tensor) -> torch.Tensor:
    """All rows of the attention pool, of which its module returns the first."""
    rows, functional = [], open_clip.modified_resnet.F
    attention = functional.multi_head_attention_forward

    def recorded(*arguments: Any, **options: Any) -> Any:
        result = attention(*arguments, **options)
        rows.append(result[0])
        return result

    functional.multi_head_attention_forward = recorded
    try:
        model.encode_image(pixels)
    finally:
        functional.multi_head_attention_forward = attention
    return rows[0][1:].transpose(0, 1)


def case(
    vision: dict[str, Any], image_size: int, patches: int, image_terms: int, **model: Any
) -> EncoderCase:
    """Make a case of one architecture."""
    return EncoderCase(
        library="open-clip",
        save=lambda folder: save(vision, folder, **model),
        reference=reference,
        dim=DIM,
        image_size=image_size,
        patches=patches,
        logit_scale=20.0855,
        fits=CONTEXT - 2,
        image_terms=image_terms,
        text_terms=terms_of_layers(1, 16, CONTEXT, hidden=4) + 2 * 16,
        unit="x ",
        mark="<end_of_text>",
        mean=MEAN,
        std=STD,
    )


VIT_TERMS = PATCH_TERMS + terms_of_layers(2, 32, 17, hidden=4) + 2 * 32
# Three convolutions of 3 x 3, a mean, and four bottlenecks of 1 x 1, 3 x 3 and 1 x 1.
STEM_TERMS = 9 * 3 + 9 * 4 + 9 * 4 + 4
BOTTLENECK_TERMS = sum(
    inputs + 9 * width + width for inputs, width in ((8, 8), (32, 16), (64, 32), (128, 64))
)
# The attention pool: a query, its products with keys, a mean of five values and a projection.
POOL_TERMS = 256 + 64 + 5 + 256

CASES = {
    "open-clip-vit": case(VIT, 32, 16, VIT_TERMS),
    "open-clip-resnet": case(
        RESNET, 64, 4, STEM_TERMS + BOTTLENECK_TERMS + POOL_TERMS, quick_gelu=True
    ),
}
