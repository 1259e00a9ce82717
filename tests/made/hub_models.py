"""Tiny models in the formats of their publishers, under the names of the shipped configuration.

They have the files, keys and kinds of the published repositories, but few weights. Files that
nobody needs (other formats of the same weights) lie beside them, as there, with a word in them.
"""

import json
from pathlib import Path

import torch
from tokenizers import AddedToken, Tokenizer, decoders, normalizers, pre_tokenizers
from tokenizers.models import BPE
from tokenizers.processors import TemplateProcessing
from transformers import SiglipConfig, SiglipModel

from tests.encoder_cases import widen
from tests.hub import files_below
from tests.made.model_files import CLIP_MEAN, CLIP_STD, added_tokens, write_json_file
from tests.made.qwen3 import save_qwen3
from tests.made.stable_diffusion import save_sd_1_4, save_sd_turbo
from tests.open_clip_cases import RESNET
from tests.open_clip_cases import save as save_open_clip

RN50 = "timm/resnet50_clip.openai"
SIGLIP2 = "google/siglip2-base-patch16-224"
QWEN3 = "Qwen/Qwen3-1.7B"
SD_TURBO = "stabilityai/sd-turbo"
SD_1_4 = "CompVis/stable-diffusion-v1-4"

SURPLUS = {
    RN50: ["open_clip_pytorch_model.bin", "pytorch_model.bin"],
    SD_TURBO: [
        "sd_turbo.safetensors",
        "text_encoder/model.fp16.safetensors",
        "unet/diffusion_pytorch_model.fp16.safetensors",
        "vae/diffusion_pytorch_model.fp16.safetensors",
    ],
    SD_1_4: [
        "safety_checker/pytorch_model.bin",
        "text_encoder/pytorch_model.bin",
        "unet/diffusion_pytorch_model.bin",
        "vae/diffusion_pytorch_model.bin",
    ],
}
"""Gigabytes that nobody should wait for."""


def published_models(folder: Path) -> dict[str, dict[str, bytes]]:
    """Write all models into a folder; returns the files of each by name."""
    savers = {
        RN50: save_rn50,
        SIGLIP2: save_siglip2,
        QWEN3: save_qwen3,
        SD_TURBO: save_sd_turbo,
        SD_1_4: save_sd_1_4,
    }
    random_state = torch.get_rng_state()
    for seed, (name, save) in enumerate(savers.items()):
        torch.manual_seed(seed)
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        save(folder / name)
        (folder / name / "README.md").write_text(f"# {name}, in miniature\n", "utf-8")
        for surplus in SURPLUS.get(name, ()):
            (folder / name / surplus).write_bytes(b"not needed")
    torch.set_rng_state(random_state)
    return {name: files_below(folder / name) for name in savers}


def save_rn50(folder: Path) -> None:
    """OpenAI's ResNet-50 as timm has it for open_clip; its vocabulary is that of the library."""
    save_open_clip(RESNET, folder, quick_gelu=True)
    file = folder / "open_clip_config.json"
    config = json.loads(file.read_text("utf-8"))
    write_json_file(file, {**config, "preprocess_cfg": {"mean": CLIP_MEAN, "std": CLIP_STD}})


UNKNOWN = "<unk>"
GEMMA_SPECIAL = ["<pad>", "<eos>", "<bos>", UNKNOWN, "<mask>"]
GEMMA_BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
GEMMA_WORDS = ["▁", *"abcdefghijklmnopqrstuvwxyz0123456789.,'-"]
SIGLIP_CONTEXT = 64


def save_siglip2(folder: Path) -> None:
    """SigLIP 2 of fixed size: of kind `siglip`, with the tokenizer of Gemma."""
    vocabulary = [*GEMMA_SPECIAL, *GEMMA_BYTES, *GEMMA_WORDS]
    tower = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_attention_heads": 2,
        "num_hidden_layers": 2,
    }
    text = {**tower, "vocab_size": len(vocabulary), "projection_size": 32}
    vision = {**tower, "image_size": 64, "patch_size": 16}
    model = SiglipModel(SiglipConfig(text_config=text, vision_config=vision)).eval()
    widen(model)
    with torch.no_grad():
        model.logit_scale.fill_(4.7)
        model.logit_bias.fill_(-16.5)
    model.save_pretrained(folder)
    write_json_file(
        folder / "config.json",
        {
            "architectures": ["SiglipModel"],
            "initializer_factor": 1.0,
            "model_type": "siglip",
            "text_config": {**text, "model_type": "siglip_text_model"},
            "torch_dtype": "float32",
            "transformers_version": "4.49.0.dev0",
            "vision_config": {**vision, "model_type": "siglip_vision_model"},
        },
    )
    write_json_file(
        folder / "preprocessor_config.json",
        {
            "do_convert_rgb": None,
            "do_normalize": True,
            "do_rescale": True,
            "do_resize": True,
            "image_mean": [0.5] * 3,
            "image_processor_type": "SiglipImageProcessor",
            "image_std": [0.5] * 3,
            "processor_class": "SiglipProcessor",
            "resample": 2,
            "rescale_factor": 0.00392156862745098,
            "size": {"height": 64, "width": 64},
        },
    )
    _save_gemma_tokenizer(folder, vocabulary)


def _save_gemma_tokenizer(folder: Path, vocabulary: list[str]) -> None:
    """Whole words are tokens there; here characters are, and bytes of all others."""
    ids = {token: number for number, token in enumerate(vocabulary)}
    tokenizer = Tokenizer(BPE(ids, [], unk_token=UNKNOWN, fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    tokenizer.post_processor = TemplateProcessing(
        single="$A <eos>", special_tokens=[("<eos>", ids["<eos>"])]
    )
    tokenizer.add_special_tokens([AddedToken(token, normalized=False) for token in GEMMA_SPECIAL])
    tokenizer.save(str(folder / "tokenizer.json"))
    names = ("pad_token", "eos_token", "bos_token", "unk_token")
    special = dict(zip(names, GEMMA_SPECIAL, strict=False))
    write_json_file(
        folder / "tokenizer_config.json",
        {
            "add_bos_token": False,
            "add_eos_token": True,
            "added_tokens_decoder": added_tokens(ids, dict.fromkeys(GEMMA_SPECIAL, True)),
            "clean_up_tokenization_spaces": False,
            "model_max_length": 10**30,
            "padding_side": "right",
            "processor_class": "SiglipProcessor",
            "tokenizer_class": "GemmaTokenizer",
            **special,
        },
    )
    write_json_file(folder / "special_tokens_map.json", special)
