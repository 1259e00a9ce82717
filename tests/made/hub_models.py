"""Tiny models in the formats of their publishers, under the names of the shipped configuration.

They have the files, keys and kinds of the published repositories, but few weights. Files that
nobody needs (other formats of the same weights) lie beside them, as there, with a word in them.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from tokenizers import AddedToken, Tokenizer, decoders, normalizers, pre_tokenizers
from tokenizers.models import BPE
from tokenizers.processors import TemplateProcessing
from transformers import CLIPConfig, CLIPTextConfig, CLIPTextModel, SiglipConfig, SiglipModel
from transformers.models.qwen3.configuration_qwen3 import Qwen3Config
from transformers.models.qwen3.modeling_qwen3 import Qwen3ForCausalLM

from tests.diffusion import flagging_nothing
from tests.encoder_cases import widen
from tests.hub import files_below
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


def _write(path: Path, data: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data, indent=2), "utf-8")


CLIP_MEAN = [0.48145466, 0.4578275, 0.40821073]
CLIP_STD = [0.26862954, 0.26130258, 0.27577711]


def save_rn50(folder: Path) -> None:
    """OpenAI's ResNet-50 as timm has it for open_clip; its vocabulary is that of the library."""
    save_open_clip(RESNET, folder, quick_gelu=True)
    file = folder / "open_clip_config.json"
    config = json.loads(file.read_text("utf-8"))
    _write(file, {**config, "preprocess_cfg": {"mean": CLIP_MEAN, "std": CLIP_STD}})


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
    _write(
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
    _write(
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
    _write(
        folder / "tokenizer_config.json",
        {
            "add_bos_token": False,
            "add_eos_token": True,
            "added_tokens_decoder": _added(ids, dict.fromkeys(GEMMA_SPECIAL, True)),
            "clean_up_tokenization_spaces": False,
            "model_max_length": 10**30,
            "padding_side": "right",
            "processor_class": "SiglipProcessor",
            "tokenizer_class": "GemmaTokenizer",
            **special,
        },
    )
    _write(folder / "special_tokens_map.json", special)


def _added(ids: Mapping[str, int], tokens: Mapping[str, bool]) -> dict[str, Any]:
    """Tokens that are no words, and whether they are special, as configurations list them."""
    plain = dict.fromkeys(("lstrip", "normalized", "rstrip", "single_word"), False)
    return {
        str(ids[token]): {"content": token, **plain, "special": special}
        for token, special in tokens.items()
    }


QWEN_TOKENS = {
    "<|endoftext|>": True,
    "<|im_start|>": True,
    "<|im_end|>": True,
    "<think>": False,
    "</think>": False,
}
"""Tokens beside the vocabulary, and whether they are special."""
QWEN_TEMPLATE = (
    "{%- for message in messages %}"
    "{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}"
    "{{- '<|im_start|>assistant\\n' }}"
    "{%- if enable_thinking is defined and enable_thinking is false %}"
    "{{- '<think>\\n\\n</think>\\n\\n' }}"
    "{%- endif %}"
    "{%- endif %}"
)
"""The published one for what is asked here: no tools, no turns before."""

SIZES = [" small", " large", " round", " long"]
COLOURS = [" red", " brown", " white", " striped"]
LOOKS = [" dark", " soft", " bright"]
PARTS = [" edges", " spots", " lines", " sides"]
LIST = ".\n\n-"
SHAPES = [" curved", " straight", " pointed"]
ENDS = [" top\n-", " tip\n-", " rim\n-"]
SHADES = [" pale", " shiny", " mottled"]
SURFACES = [" surface\n-", " cover\n-", " skin\n-"]
NUMBERS = [" few", " several", " two"]
MARKS = [" stripes", " dots", " rings"]
FOLLOWING: list[tuple[list[str], list[str]]] = [
    (["\n\n"], ["It"]),
    (["\n"], ["<think>"]),  # what a model does whose thoughts are not switched off
    (["It"], [" is"]),
    ([" is"], SIZES),
    (SIZES, [" and"]),
    ([" and"], COLOURS),
    (COLOURS, [" with"]),
    ([" with"], LOOKS),
    (LOOKS, PARTS),
    (PARTS, [LIST]),
    ([LIST], SHAPES),
    (SHAPES, ENDS),
    (ENDS, SHADES),
    (SHADES, SURFACES),
    (SURFACES, NUMBERS),
    (NUMBERS, MARKS),
    ([*MARKS, "<think>"], ["<|im_end|>"]),
]
"""Words by the word before: one of 192 sentences about a class, and a list of what tells it."""


def save_qwen3(folder: Path) -> None:
    """Qwen3 that writes sentences of `FOLLOWING`, each word as likely as the others.

    Every token has a direction of its own, which the first layer turns into those of the words that
    may follow; so the published architecture writes what can be read, without being trained.
    """
    vocabulary, merges = _byte_level(words := _words())
    ids = {token: number for number, token in enumerate([*vocabulary, *QWEN_TOKENS])}
    size = len(ids)
    follows = [
        (ids[words[token]], [ids[words[word]] for word in after])
        for before, after in FOLLOWING
        for token in before
    ]
    plain = {
        "vocab_size": size,
        "hidden_size": size,
        "intermediate_size": len(follows),
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 8,
        "max_position_embeddings": 40960,
        "tie_word_embeddings": True,
        "bos_token_id": ids["<|endoftext|>"],
        "eos_token_id": ids["<|im_end|>"],
    }
    model = Qwen3ForCausalLM(Qwen3Config(**plain)).eval()
    sees, says = torch.zeros(len(follows), size), torch.zeros(size, len(follows))
    for row, (before, after) in enumerate(follows):
        sees[row, before] = says[after, row] = 1
    with torch.no_grad():
        model.model.embed_tokens.weight.copy_(torch.eye(size))
        model.model.norm.weight.fill_(4)  # so sure of its words that it writes no others
        for layer in model.model.layers:
            layer.self_attn.o_proj.weight.zero_()
            layer.mlp.gate_proj.weight.copy_(sees)
            layer.mlp.up_proj.weight.copy_(sees)
            layer.mlp.down_proj.weight.zero_()
        model.model.layers[0].mlp.down_proj.weight.copy_(says)
    model.to(torch.bfloat16).save_pretrained(folder, max_shard_size="500KB")
    _write(
        folder / "config.json",
        {
            **plain,
            "architectures": ["Qwen3ForCausalLM"],
            "attention_bias": False,
            "attention_dropout": 0.0,
            "hidden_act": "silu",
            "initializer_range": 0.02,
            "max_window_layers": 28,
            "model_type": "qwen3",
            "rms_norm_eps": 1e-06,
            "rope_scaling": None,
            "rope_theta": 1000000,
            "sliding_window": None,
            "torch_dtype": "bfloat16",
            "transformers_version": "4.51.0",
            "use_cache": True,
            "use_sliding_window": False,
        },
    )
    _write(
        folder / "generation_config.json",
        {
            "bos_token_id": ids["<|endoftext|>"],
            "do_sample": True,
            "eos_token_id": [ids["<|im_end|>"], ids["<|endoftext|>"]],
            "pad_token_id": ids["<|endoftext|>"],
            "temperature": 0.6,
            "top_k": 20,
            "top_p": 0.95,
            "transformers_version": "4.51.0",
        },
    )
    _save_qwen_tokenizer(folder, vocabulary, merges, ids)


def _words() -> dict[str, str]:
    """Tokens of the words that are written: spaces and breaks of lines are letters there."""
    written = [token for before, after in FOLLOWING for token in (*before, *after)]
    return {w: w.replace(" ", "Ġ").replace("\n", "Ċ") for w in dict.fromkeys(written)}


def _byte_level(words: Mapping[str, str]) -> tuple[list[str], list[tuple[str, str]]]:
    """Bytes, and what joins them to words from the left."""
    known = [w for w in words.values() if w not in QWEN_TOKENS]
    longest = max(map(len, known))
    pairs = dict.fromkeys(
        (word[:end], word[end]) for end in range(1, longest) for word in known if len(word) > end
    )
    return [*sorted(pre_tokenizers.ByteLevel.alphabet()), *map("".join, pairs)], list(pairs)


def _save_qwen_tokenizer(
    folder: Path, vocabulary: list[str], merges: list[tuple[str, str]], ids: Mapping[str, int]
) -> None:
    from transformers.models.qwen2.tokenization_qwen2 import Qwen2Tokenizer

    plain = {token: ids[token] for token in vocabulary}
    tokenizer = Qwen2Tokenizer(vocab=plain, merges=merges)
    backend = tokenizer.backend_tokenizer
    backend.add_tokens(
        [
            AddedToken(token, special=special, normalized=False)
            for token, special in QWEN_TOKENS.items()
        ]
    )
    assert all(backend.token_to_id(token) == ids[token] for token in QWEN_TOKENS)
    backend.save(str(folder / "tokenizer.json"))
    _write(folder / "vocab.json", plain)
    lines = ["#version: 0.2", *map(" ".join, merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", "utf-8")
    _write(
        folder / "tokenizer_config.json",
        {
            "add_bos_token": False,
            "add_prefix_space": False,
            "added_tokens_decoder": _added(ids, QWEN_TOKENS),
            "additional_special_tokens": ["<|im_start|>", "<|im_end|>"],
            "bos_token": None,
            "chat_template": QWEN_TEMPLATE,
            "clean_up_tokenization_spaces": False,
            "eos_token": "<|im_end|>",
            "errors": "replace",
            "model_max_length": 131072,
            "pad_token": "<|endoftext|>",
            "split_special_tokens": False,
            "tokenizer_class": "Qwen2Tokenizer",
            "unk_token": None,
        },
    )


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
    _write(
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
    _write(
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
    _write(
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
    _write(
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
    _write(
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
    _write(tokenizer / "vocab.json", {t: i for i, t in enumerate(_clip_vocabulary())})
    (tokenizer / "merges.txt").write_text("#version: 0.2\n", "utf-8")
    start, end = CLIP_SPECIAL
    special = {"bos_token": start, "eos_token": end, "pad_token": end, "unk_token": end}
    _write(tokenizer / "special_tokens_map.json", special)
    _write(
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
