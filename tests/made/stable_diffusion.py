"""SD-Turbo and Stable Diffusion v1-4 in miniature: both draw 64 x 64 pixels."""

from pathlib import Path
from typing import Any

from diffusers import AutoencoderKL, UNet2DConditionModel
from tokenizers import pre_tokenizers
from transformers import CLIPConfig, CLIPTextConfig, CLIPTextModel

from tests.diffusion import flagging_nothing
from tests.encoder_cases import widen
from tests.made.model_files import CLIP_MEAN, CLIP_STD, write_json_file

NOISE = {
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "clip_sample": False,
    "num_train_timesteps": 1000,
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
    "steps_offset": 1,
    "trained_betas": None,
}
OF_TRANSFORMERS = {
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
}
OF_DIFFUSERS = {
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
}


def save_sd_turbo(folder: Path) -> None:
    """SD-Turbo: no safety checker, and its scheduler begins at the last step of the training."""
    _save_diffusion(folder, use_linear_projection=True)
    write_json_file(
        folder / "model_index.json",
        {
            "_class_name": "StableDiffusionPipeline",
            "_diffusers_version": "0.24.0.dev0",
            "feature_extractor": [None, None],
            "image_encoder": [None, None],
            "requires_safety_checker": True,
            "safety_checker": [None, None],
            "scheduler": ["diffusers", "EulerDiscreteScheduler"],
            **OF_TRANSFORMERS,
            **OF_DIFFUSERS,
        },
    )
    write_json_file(
        folder / "scheduler/scheduler_config.json",
        {
            "_class_name": "EulerDiscreteScheduler",
            "_diffusers_version": "0.24.0.dev0",
            **NOISE,
            "interpolation_type": "linear",
            "prediction_type": "epsilon",
            "sample_max_value": 1.0,
            "timestep_spacing": "trailing",
            "use_karras_sigmas": False,
        },
    )


def save_sd_1_4(folder: Path) -> None:
    """Stable Diffusion v1-4, with its safety checker."""
    _save_diffusion(folder)
    clip = _clip_text() | {"projection_dim": 16}
    vision = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1}
    vision |= {"num_attention_heads": 2, "image_size": 32, "patch_size": 16, "projection_dim": 16}
    checker = flagging_nothing(
        CLIPConfig(text_config=clip, vision_config=vision, projection_dim=16)
    )
    checker.save_pretrained(folder / "safety_checker")
    write_json_file(
        folder / "feature_extractor/preprocessor_config.json",
        {
            "crop_size": 32,
            "do_center_crop": True,
            "do_convert_rgb": True,
            "do_normalize": True,
            "do_resize": True,
            "feature_extractor_type": "CLIPFeatureExtractor",
            "image_mean": CLIP_MEAN,
            "image_std": CLIP_STD,
            "resample": 3,
            "size": 32,
        },
    )
    write_json_file(
        folder / "model_index.json",
        {
            "_class_name": "StableDiffusionPipeline",
            "_diffusers_version": "0.2.2",
            "feature_extractor": ["transformers", "CLIPImageProcessor"],
            "safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"],
            "scheduler": ["diffusers", "PNDMScheduler"],
            **OF_TRANSFORMERS,
            **OF_DIFFUSERS,
        },
    )
    write_json_file(
        folder / "scheduler/scheduler_config.json",
        {"_class_name": "PNDMScheduler", "_diffusers_version": "0.7.0.dev0", **NOISE},
    )


CLIP_SPECIAL = ["<|startoftext|>", "<|endoftext|>"]


def _clip_vocabulary() -> list[str]:
    """Bytes within words and at their ends, without what joins them."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    return [*alphabet, *(f"{letter}</w>" for letter in alphabet), *CLIP_SPECIAL]


def _clip_text() -> dict[str, Any]:
    size = len(_clip_vocabulary())
    return {
        "vocab_size": size,
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "max_position_embeddings": 77,
        "bos_token_id": size - 2,
        "eos_token_id": size - 1,
        "pad_token_id": size - 1,
    }


def _save_diffusion(folder: Path, **unet: Any) -> None:
    """U-Net, autoencoder, text encoder and tokenizer; images have 64 x 64 pixels."""
    UNet2DConditionModel(
        sample_size=8,
        in_channels=4,
        out_channels=4,
        block_out_channels=(8, 16),
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        layers_per_block=1,
        cross_attention_dim=16,
        attention_head_dim=2,
        norm_num_groups=4,
        **unet,
    ).save_pretrained(folder / "unet")
    AutoencoderKL(
        sample_size=64,
        block_out_channels=(4, 4, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        latent_channels=4,
        layers_per_block=1,
        norm_num_groups=4,
    ).save_pretrained(folder / "vae")
    encoder = CLIPTextModel(CLIPTextConfig(**_clip_text())).eval()
    widen(encoder)
    encoder.save_pretrained(folder / "text_encoder")
    tokenizer = folder / "tokenizer"
    write_json_file(tokenizer / "vocab.json", {t: i for i, t in enumerate(_clip_vocabulary())})
    (tokenizer / "merges.txt").write_text("#version: 0.2\n", "utf-8")
    start, end = CLIP_SPECIAL
    special = {"bos_token": start, "eos_token": end, "pad_token": end, "unk_token": end}
    write_json_file(tokenizer / "special_tokens_map.json", special)
    write_json_file(
        tokenizer / "tokenizer_config.json",
        {
            "add_prefix_space": False,
            "do_lower_case": True,
            "errors": "replace",
            "model_max_length": 77,
            "tokenizer_class": "CLIPTokenizer",
            **special,
        },
    )
