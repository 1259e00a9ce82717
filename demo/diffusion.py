"""The demo's tiny text-to-image model: a Stable Diffusion pipeline of small parts."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from diffusers import (
    AutoencoderTiny,
    DDIMScheduler,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from transformers import AutoTokenizer, CLIPModel, CLIPTextModel, PreTrainedTokenizerFast

from demo.render import SIZE

FACTOR: Final = 8  # pixels per latent position


@dataclass(frozen=True)
class Shape:
    """Size of the autoencoder and of the denoiser, whose widths go from fine to coarse."""

    latent: int = 16
    codec_width: int = 32
    widths: tuple[int, ...] = (64, 128)
    layers: int = 1
    heads: int = 4
    groups: int = 16


def build_codec(shape: Shape, seed: int) -> AutoencoderTiny:
    """An untrained autoencoder of 64x64 images, latents (n, `shape.latent`, 8, 8)."""
    torch.manual_seed(seed)
    widths = (shape.codec_width,) * 4
    return AutoencoderTiny(
        encoder_block_out_channels=widths,
        decoder_block_out_channels=widths,
        num_encoder_blocks=(0, 1, 1, 2),
        num_decoder_blocks=(2, 1, 1, 0),
        latent_channels=shape.latent,
    )


def build_denoiser(shape: Shape, text_width: int, seed: int) -> UNet2DConditionModel:
    """An untrained denoiser of latents, told the text by cross-attention at every resolution."""
    torch.manual_seed(seed)
    return UNet2DConditionModel(
        sample_size=SIZE // FACTOR,
        in_channels=shape.latent,
        out_channels=shape.latent,
        block_out_channels=shape.widths,
        down_block_types=("CrossAttnDownBlock2D",) * len(shape.widths),
        up_block_types=("CrossAttnUpBlock2D",) * len(shape.widths),
        layers_per_block=shape.layers,
        cross_attention_dim=text_width,
        attention_head_dim=shape.heads,
        norm_num_groups=shape.groups,
    ).to(memory_format=torch.channels_last)


def build_scheduler() -> DDIMScheduler:
    """A cosine schedule that ends in pure noise, for a denoiser that predicts velocity."""
    return DDIMScheduler(
        beta_schedule="squaredcos_cap_v2",
        prediction_type="v_prediction",
        timestep_spacing="trailing",
        steps_offset=1,
        rescale_betas_zero_snr=True,
        clip_sample=False,
    )


def text_tower(clip: Path) -> tuple[PreTrainedTokenizerFast, CLIPTextModel]:
    """Tokenizer and text encoder of a saved CLIP, frozen."""
    whole = CLIPModel.from_pretrained(clip, dtype=torch.float32)
    encoder = CLIPTextModel(whole.config.text_config)
    encoder.load_state_dict(whole.text_model.state_dict())
    return AutoTokenizer.from_pretrained(clip), encoder.eval().requires_grad_(False)


@torch.no_grad()
def text_states(
    tokenizer: PreTrainedTokenizerFast, encoder: CLIPTextModel, texts: Sequence[str]
) -> torch.Tensor:
    """What the denoiser sees of texts, (n, context, width): padded as the pipeline pads."""
    tokens = tokenizer(
        list(texts),
        padding="max_length",
        max_length=tokenizer.model_max_length,
        truncation=True,
        return_tensors="pt",
    )
    states: torch.Tensor = encoder(tokens["input_ids"])[0]
    return states


def save_pipeline(
    folder: Path,
    clip: Path,
    codec: AutoencoderTiny,
    denoiser: UNet2DConditionModel,
) -> None:
    """Write a folder for `StableDiffusionPipeline.from_pretrained`, weights in float16."""
    tokenizer, encoder = text_tower(clip)
    parts: dict[str, Any] = {"vae": codec, "unet": denoiser, "text_encoder": encoder}
    pipeline = StableDiffusionPipeline(
        **{name: copy.deepcopy(part).half() for name, part in parts.items()},
        tokenizer=tokenizer,
        scheduler=build_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    shutil.rmtree(folder / "tokenizer", ignore_errors=True)
    pipeline.save_pretrained(folder, safe_serialization=True)
