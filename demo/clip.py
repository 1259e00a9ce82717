"""The tiny CLIP of the demo world and its files, in Hugging Face format."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from tokenizers import Tokenizer, normalizers, pre_tokenizers
from tokenizers.models import WordLevel
from tokenizers.processors import TemplateProcessing
from transformers import CLIPConfig, CLIPModel, PreTrainedTokenizerFast
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from demo.captions import vocabulary
from demo.render import SIZE

CONTEXT: Final = 48
PAD, BOS, UNK, EOS = "[PAD]", "[BOS]", "[UNK]", "[EOS]"
MEAN: Final = 0.5
STD: Final = 0.27
_SPECIAL: Final = (PAD, BOS, UNK, EOS)
# CLIP pools the first EOS, except where its id is 2: there it pools the highest id.
EOS_ID: Final = _SPECIAL.index(EOS)


@dataclass(frozen=True)
class Shape:
    """Size of both towers; attention heads are 64 wide or as wide as the tower."""

    vision_width: int = 128
    vision_layers: int = 4
    text_width: int = 128
    text_layers: int = 3
    projection: int = 128
    patch: int = 8


def build_tokenizer() -> PreTrainedTokenizerFast:
    """Word-level, lower-case tokenizer of the demo vocabulary."""
    ids = {word: i for i, word in enumerate((*_SPECIAL, *vocabulary()))}
    tokenizer = Tokenizer(WordLevel(ids, unk_token=UNK))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = TemplateProcessing(
        single=f"{BOS} $A {EOS}", special_tokens=[(BOS, ids[BOS]), (EOS, ids[EOS])]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=CONTEXT,
        pad_token=PAD,
        bos_token=BOS,
        eos_token=EOS,
        unk_token=UNK,
    )


def build_image_processor() -> CLIPImageProcessorPil:
    """Resize to 64x64, scale to [0, 1], normalise."""
    return CLIPImageProcessorPil(
        size={"shortest_edge": SIZE},
        crop_size={"height": SIZE, "width": SIZE},
        image_mean=[MEAN] * 3,
        image_std=[STD] * 3,
    )


def build_model(shape: Shape, vocabulary_size: int, seed: int, attention: str) -> CLIPModel:
    """A randomly initialised model."""
    vision = {
        "hidden_size": shape.vision_width,
        "intermediate_size": 4 * shape.vision_width,
        "num_hidden_layers": shape.vision_layers,
        "num_attention_heads": max(1, shape.vision_width // 64),
        "image_size": SIZE,
        "patch_size": shape.patch,
        "projection_dim": shape.projection,
    }
    text = {
        "vocab_size": vocabulary_size,
        "hidden_size": shape.text_width,
        "intermediate_size": 4 * shape.text_width,
        "num_hidden_layers": shape.text_layers,
        "num_attention_heads": max(1, shape.text_width // 64),
        "max_position_embeddings": CONTEXT,
        "projection_dim": shape.projection,
        "pad_token_id": _SPECIAL.index(PAD),
        "bos_token_id": _SPECIAL.index(BOS),
        "eos_token_id": EOS_ID,
    }
    config = CLIPConfig(text_config=text, vision_config=vision, projection_dim=shape.projection)
    config._attn_implementation = attention
    torch.manual_seed(seed)
    return CLIPModel(config)


def normalise(images: torch.Tensor) -> torch.Tensor:
    """uint8 images (n, 64, 64, 3) as pixel values (n, 3, 64, 64) float32."""
    return (images.permute(0, 3, 1, 2).float() / 255.0 - MEAN) / STD


def save_folder(model: CLIPModel, folder: Path) -> None:
    """Write weights (float16), configuration, tokenizer and image processor."""
    folder.mkdir(parents=True, exist_ok=True)
    copy.deepcopy(model).half().save_pretrained(folder)
    build_tokenizer().save_pretrained(folder)
    build_image_processor().save_pretrained(folder)
