"""Tiny random checkpoints, each in its publisher's format, and what its library makes of them."""

import re
from pathlib import Path
from string import punctuation
from typing import Any

import torch
from PIL import Image
from tokenizers import Regex, Tokenizer, pre_tokenizers
from tokenizers.models import WordLevel
from tokenizers.processors import TemplateProcessing
from torch.nn.functional import layer_norm
from transformers import (
    AutoTokenizer,
    CLIPModel,
    CLIPVisionModelWithProjection,
    MetaClip2Config,
    MetaClip2Model,
    MetaClip2TextModelWithProjection,
    MetaClip2VisionModelWithProjection,
    PreTrainedTokenizerFast,
    SiglipConfig,
    SiglipModel,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

from tests.contract.cases import EncoderCase, Reference
from tests.helpers import (
    BOS,
    CHARACTERS,
    CONTEXT,
    EOS,
    PAD,
    PROJECTION,
    SPECIAL,
    UNK,
    WIDTH,
    save_tiny_clip,
)

SIGLIP_CONTEXT = 64


def terms_of_layers(layers: int, width: int, tokens: int, hidden: int = 2) -> int:
    """Terms added up on the way through layers of a transformer.

    Those of two norms, of a query, of its product with a key, of the mean of values, of the
    projection and of the two layers behind it, the second of `hidden` times the width.
    """
    return layers * ((6 + hidden) * width + tokens)


def widen(model: torch.nn.Module, seed: int = 0) -> None:
    """Draw weights so that outputs differ between inputs, which fresh models hardly do."""
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.ndim > 1 and "position" not in name:
                weight.normal_(std=weight[0].numel() ** -0.5, generator=random)
            if "token_embedding" in name or "word_embeddings" in name:
                weight.normal_(generator=random)
            if weight.ndim == 1:
                weight.add_(torch.randn(weight.shape, generator=random), alpha=0.1)


def _save_clip(folder: Path) -> dict[str, Any]:
    save_tiny_clip(folder)
    return {"model": str(folder)}


def _clip_reference(
    settings: dict[str, Any], images: list[Image.Image], texts: list[str]
) -> Reference:
    folder = settings["model"]
    model = CLIPModel.from_pretrained(folder, dtype=torch.float32).eval()
    processor = CLIPImageProcessorPil.from_pretrained(folder)
    pixels = processor(images=images, return_tensors="pt")["pixel_values"]
    tokens = AutoTokenizer.from_pretrained(folder)(
        texts, padding=True, truncation=True, return_tensors="pt"
    )
    with torch.no_grad():
        image = model.get_image_features(pixel_values=pixels).pooler_output
        text = model.get_text_features(
            input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"]
        ).pooler_output
        tower = CLIPVisionModelWithProjection.from_pretrained(folder, dtype=torch.float32).eval()
        tokens = tower.vision_model(pixel_values=pixels).last_hidden_state[:, 1:]
        norm = tower.vision_model.post_layernorm
        normed = layer_norm(tokens, tokens.shape[-1:], norm.weight, norm.bias, norm.eps)
        patches = normed @ tower.visual_projection.weight.T
    return Reference(pixels, image, patches, text)


def _save_metaclip_2(folder: Path) -> dict[str, Any]:
    save_tiny_clip(folder)
    clip = CLIPModel.from_pretrained(folder)
    text = {**clip.config.text_config.to_dict(), "model_type": "metaclip_2_text_model"}
    vision = {**clip.config.vision_config.to_dict(), "model_type": "metaclip_2_vision_model"}
    config = MetaClip2Config(text_config=text, vision_config=vision, projection_dim=PROJECTION)
    model = MetaClip2Model(config).eval()
    widen(model)
    model.save_pretrained(folder)
    return {"model": str(folder)}


def _metaclip_2_reference(
    settings: dict[str, Any], images: list[Image.Image], texts: list[str]
) -> Reference:
    folder = settings["model"]
    vision = MetaClip2VisionModelWithProjection.from_pretrained(folder, dtype=torch.float32).eval()
    words = MetaClip2TextModelWithProjection.from_pretrained(folder, dtype=torch.float32).eval()
    processor = CLIPImageProcessorPil.from_pretrained(folder)
    pixels = processor(images=images, return_tensors="pt")["pixel_values"]
    tokens = AutoTokenizer.from_pretrained(folder)(
        texts, padding="max_length", truncation=True, return_tensors="pt"
    )
    with torch.no_grad():
        last = vision.vision_model(pixel_values=pixels).last_hidden_state[:, 1:]
        image = vision(pixel_values=pixels).image_embeds
        text = words(**tokens).text_embeds
        patches = vision.visual_projection(vision.vision_model.post_layernorm(last))
    return Reference(pixels, image, patches, text)


def case_sensitive_tokenizer(context: int, model_inputs: list[str]) -> PreTrainedTokenizerFast:
    """One token per character and an end; capitals are unknown, as in no trained vocabulary."""
    ids = {token: index for index, token in enumerate((*SPECIAL, *CHARACTERS))}
    tokenizer = Tokenizer(WordLevel(ids, unk_token=UNK))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("."), behavior="isolated")
    tokenizer.post_processor = TemplateProcessing(
        single=f"$A {EOS}", special_tokens=[(EOS, ids[EOS])]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=context,
        model_input_names=model_inputs,
        padding_side="right",
        pad_token=PAD,
        bos_token=BOS,
        eos_token=EOS,
        unk_token=UNK,
    )


SIGLIP_TOWER = {
    "hidden_size": WIDTH,
    "intermediate_size": 2 * WIDTH,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
}
SIGLIP_TEXT = SIGLIP_TOWER | {
    "vocab_size": len(SPECIAL) + len(CHARACTERS),
    "max_position_embeddings": SIGLIP_CONTEXT,
    "projection_size": WIDTH,
}


def _save_siglip(folder: Path) -> dict[str, Any]:
    config = SiglipConfig(
        text_config=SIGLIP_TEXT, vision_config=SIGLIP_TOWER | {"image_size": 32, "patch_size": 8}
    )
    model = SiglipModel(config).eval()
    widen(model)
    with torch.no_grad():
        model.logit_scale.fill_(2.0)
        model.logit_bias.fill_(-10.0)
    model.save_pretrained(folder)
    case_sensitive_tokenizer(SIGLIP_CONTEXT, ["input_ids"]).save_pretrained(folder)
    SiglipImageProcessorPil(
        size={"height": 32, "width": 32}, image_mean=[0.5] * 3, image_std=[0.25] * 3
    ).save_pretrained(folder)
    return {"model": str(folder)}


def canonical(text: str) -> str:
    """A text without punctuation and capitals, as the publisher reads it for a classifier."""
    spaced = text.replace("_", " ").lower()
    return re.sub(r"\s+", " ", re.sub(f"[{re.escape(punctuation)}]", "", spaced)).strip()


def _siglip_reference(
    settings: dict[str, Any], images: list[Image.Image], texts: list[str]
) -> Reference:
    folder = settings["model"]
    model = SiglipModel.from_pretrained(folder, dtype=torch.float32).eval()
    processor = SiglipImageProcessorPil.from_pretrained(folder)
    pixels = processor(images=images, return_tensors="pt")["pixel_values"]
    tokens = AutoTokenizer.from_pretrained(folder)(
        [canonical(text) for text in texts],
        padding="max_length",
        truncation=True,
        return_tensors="pt",
    )
    with torch.no_grad():
        out = model.vision_model(pixel_values=pixels)
        tokens_of_patches = out.last_hidden_state.split(1, dim=1)
        patches = torch.stack([model.vision_model.head(t) for t in tokens_of_patches], dim=1)
        texts_out = model.get_text_features(**tokens).pooler_output
    return Reference(pixels, out.pooler_output, patches, texts_out)


# Pixels of a patch; the last norm and the projection have the width once more each.
PATCH_TERMS = 3 * 8 * 8
CLIP_IMAGE_TERMS = PATCH_TERMS + terms_of_layers(2, WIDTH, 17) + 2 * WIDTH
CLIP_TEXT_TERMS = terms_of_layers(2, WIDTH, CONTEXT) + 2 * WIDTH

CASES = {
    "clip": EncoderCase(
        library="transformers",
        save=_save_clip,
        reference=_clip_reference,
        dim=PROJECTION,
        image_size=32,
        patches=16,
        logit_scale=14.2849,
        fits=CONTEXT - 2,
        image_terms=CLIP_IMAGE_TERMS,
        text_terms=CLIP_TEXT_TERMS,
    ),
    "metaclip-2": EncoderCase(
        library="transformers",
        save=_save_metaclip_2,
        reference=_metaclip_2_reference,
        dim=PROJECTION,
        image_size=32,
        patches=16,
        logit_scale=14.2849,
        fits=CONTEXT - 2,
        image_terms=CLIP_IMAGE_TERMS,
        text_terms=CLIP_TEXT_TERMS,
    ),
    "siglip": EncoderCase(
        library="transformers",
        save=_save_siglip,
        reference=_siglip_reference,
        dim=WIDTH,
        image_size=32,
        patches=16,
        logit_scale=7.3891,
        fits=SIGLIP_CONTEXT - 1,
        resize="squash",
        # The head that pools patches is a layer more.
        image_terms=PATCH_TERMS + terms_of_layers(3, WIDTH, 16) + WIDTH,
        text_terms=terms_of_layers(2, WIDTH, SIGLIP_CONTEXT) + 2 * WIDTH,
    ),
}
