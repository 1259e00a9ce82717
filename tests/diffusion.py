"""A tiny text-to-image model in the file format of Stable Diffusion."""

from pathlib import Path

import torch
from diffusers import (
    AutoencoderTiny,
    DDIMScheduler,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from transformers import AutoTokenizer, CLIPConfig, CLIPModel, CLIPTextModel
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from tests.helpers import save_tiny_clip

SIDE = 16


def save_tiny_pipeline(folder: Path, seed: int = 0, checker: bool = False) -> None:
    """Save a randomly initialised pipeline that draws 16x16 images; no step of it is trained.

    Its safety checker flags nothing; tests replace what it answers.
    """
    clip = folder / "clip"
    save_tiny_clip(clip, seed=seed)
    text_config = CLIPConfig.from_pretrained(clip).text_config
    text_encoder = CLIPTextModel(text_config)
    text_encoder.load_state_dict(CLIPModel.from_pretrained(clip).text_model.state_dict())
    random_state = torch.get_rng_state()
    torch.manual_seed(seed)
    unet = UNet2DConditionModel(
        sample_size=SIDE // 2,
        in_channels=4,
        out_channels=4,
        block_out_channels=(8,),
        down_block_types=("CrossAttnDownBlock2D",),
        up_block_types=("CrossAttnUpBlock2D",),
        layers_per_block=1,
        cross_attention_dim=text_config.hidden_size,
        attention_head_dim=2,
        norm_num_groups=4,
    )
    vae = AutoencoderTiny(
        encoder_block_out_channels=(8, 8),
        decoder_block_out_channels=(8, 8),
        num_encoder_blocks=(1, 1),
        num_decoder_blocks=(1, 1),
    )
    safety = flagging_nothing(CLIPConfig.from_pretrained(clip)) if checker else None
    torch.set_rng_state(random_state)
    pipeline = StableDiffusionPipeline(
        vae=vae,
        text_encoder=text_encoder,
        tokenizer=AutoTokenizer.from_pretrained(clip),
        unet=unet,
        scheduler=DDIMScheduler(clip_sample=False, steps_offset=1),
        safety_checker=safety,
        feature_extractor=CLIPImageProcessorPil.from_pretrained(clip) if checker else None,
        requires_safety_checker=checker,
    )
    pipeline.save_pretrained(folder, safe_serialization=True)


def flagging_nothing(config: CLIPConfig) -> StableDiffusionSafetyChecker:
    """A safety checker whose thresholds no image reaches."""
    model = StableDiffusionSafetyChecker(config)
    with torch.no_grad():
        model.concept_embeds_weights.fill_(2.0)  # thresholds on cosines that none reaches
        model.special_care_embeds_weights.fill_(2.0)
    return model
