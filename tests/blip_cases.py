"""Tiny BLIP and TCL checkpoints as published, and their features by other modules than ours."""

import re
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from transformers import BertConfig, BertForMaskedLM, BertTokenizer, ViTConfig, ViTModel
from transformers.models.blip.configuration_blip import BlipTextConfig
from transformers.models.blip.modeling_blip_text import BlipTextModel

from tests.contract.cases import EncoderCase, Reference
from tests.encoder_cases import PATCH_TERMS, terms_of_layers, widen
from tests.helpers import CHARACTERS

TOWER, DIM, SIDE, PATCH, TCL_LAYERS = 128, 24, 32, 8, 8
TEXT_LAYERS = {"blip": 3, "tcl": 6}  # TCL takes the text from the middle
MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)
WORDS = ["the", "photo", "of", "cat", "dog", "large", "small", "and", "very", "odd", "animal"]
LETTERS = [c for c in CHARACTERS if c != " "]
VOCABULARY = [
    *("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"),
    *WORDS,
    *LETTERS,
    *(f"##{letter}" for letter in LETTERS),
]
LEFT_OUT = {"blip": 2, "tcl": 0}  # BLIP's vocabulary has [DEC] and [ENC] besides

TIMM = (
    (r"^embeddings\.cls_token$", "cls_token"),
    (r"^embeddings\.position_embeddings$", "pos_embed"),
    (r"^embeddings\.patch_embeddings\.projection\.", "patch_embed.proj."),
    (r"^layernorm\.", "norm."),
    (r"^layers\.", "blocks."),
    (r"\.attention\.o_proj\.", ".attn.proj."),
    (r"\.layernorm_before\.", ".norm1."),
    (r"\.layernorm_after\.", ".norm2."),
)
STACKED = re.compile(r"^layers\.(\d+)\.attention\.q_proj\.(weight|bias)$")


@cache
def towers(kind: str) -> tuple[Any, Any, Any, Any]:
    """Vision tower, text tower and both projections, the same on every call."""
    vision = ViTModel(
        ViTConfig(
            hidden_size=TOWER,
            intermediate_size=2 * TOWER,
            num_hidden_layers=2,
            num_attention_heads=2,
            image_size=SIDE,
            patch_size=PATCH,
            layer_norm_eps=1e-6,
        ),
        add_pooling_layer=False,
    )
    shape = {
        "vocab_size": len(VOCABULARY) + LEFT_OUT[kind],
        "hidden_size": TOWER,
        "intermediate_size": 2 * TOWER,
        "num_attention_heads": 2,
        "max_position_embeddings": 48,
        "layer_norm_eps": 1e-12,
    }
    text = (
        BlipTextModel(
            BlipTextConfig(**shape, num_hidden_layers=TEXT_LAYERS[kind], encoder_hidden_size=TOWER),
            add_pooling_layer=False,
        )
        if kind == "blip"
        else BertForMaskedLM(BertConfig(**shape, num_hidden_layers=TCL_LAYERS))
    )
    parts = (vision, text, nn.Linear(TOWER, DIM), nn.Linear(TOWER, DIM))
    for seed, part in enumerate(parts):
        widen(part, seed)
    with torch.no_grad():
        vision.embeddings.position_embeddings.normal_(generator=torch.Generator().manual_seed(9))
    return tuple(part.eval() for part in parts)


def published(kind: str) -> dict[str, Tensor]:
    """Weights under their publisher's names, with what else a checkpoint holds."""
    vision, text, vision_proj, text_proj = towers(kind)
    weights = {f"visual_encoder.{k}": v for k, v in timm_names(vision.state_dict()).items()}
    # As BertForMaskedLM names them: with `bert.` in front, and the head under `cls.`.
    weights |= {f"text_encoder.{k}": v for k, v in text.state_dict().items()}
    weights |= {f"vision_proj.{k}": v for k, v in vision_proj.state_dict().items()}
    weights |= {f"text_proj.{k}": v for k, v in text_proj.state_dict().items()}
    momentum = {k.replace(".", "_m.", 1): torch.zeros_like(v) for k, v in weights.items()}
    rest = {
        "temp": torch.tensor(0.07),
        "image_queue": torch.zeros(DIM, 6),
        "text_queue": torch.zeros(DIM, 6),
        "queue_ptr": torch.zeros(1, dtype=torch.long),
        "itm_head.weight": torch.zeros(2, TOWER),
        "itm_head.bias": torch.zeros(2),
        "text_encoder.embeddings.position_ids": torch.arange(48)[None],
    }
    if kind == "tcl":
        del rest["text_encoder.embeddings.position_ids"]
    return {k: v.clone() for k, v in (weights | momentum | rest).items()}


def timm_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename a ViTModel's weights as timm does, with queries, keys and values stacked."""
    named = {}
    for key, value in state.items():
        match = STACKED.match(key)
        if match:
            parts = [state[key.replace("q_proj", f"{letter}_proj")] for letter in "qkv"]
            named[f"blocks.{match[1]}.attn.qkv.{match[2]}"] = torch.cat(parts)
        elif not re.search(r"\.[kv]_proj\.", key):
            for pattern, replacement in TIMM:
                key = re.sub(pattern, replacement, key)
            named[key] = value
    return named


def save_tokenizer(folder: Path) -> str:
    """Write a vocabulary in the format of bert-base-uncased."""
    ids = {token: index for index, token in enumerate(VOCABULARY)}
    BertTokenizer(vocab=ids).save_pretrained(folder)
    return str(folder)


def save(kind: str, folder: Path) -> dict[str, Any]:
    """Write `model.pth` and a tokenizer; return what the configuration says of them."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.save({"model": published(kind), "epoch": 5, "config": {}}, folder / "model.pth")
    tokenizer = save_tokenizer(folder / "tokenizer")
    return {"model": str(folder / "model.pth"), "tokenizer": tokenizer}


def caption(kind: str, text: str) -> str:
    """Clean a text as the publisher's captions are."""
    text = text.lower()
    if kind == "blip":
        text = re.sub(r"([.!\"()*#:;~])", " ", text)
    else:
        text = re.sub(r"([,.'!?\"()*#:;~])", "", text).replace("-", " ").replace("/", " ")
        text = text.replace("<person>", "person")
    words = re.sub(r"\s{2,}", " ", text).rstrip("\n").strip(" ").split(" ")
    return " ".join(words[:30])


def squashed(images: list[Image.Image], side: int) -> Tensor:
    """Resize to a square and normalise."""
    arrays = [
        np.asarray(image.resize((side, side), Image.Resampling.BICUBIC), dtype=np.float32)
        for image in images
    ]
    pixels = np.stack(arrays) / np.float32(255)
    normed = (pixels - np.array(MEAN, np.float32)) / np.array(STD, np.float32)
    return torch.from_numpy(normed.transpose(0, 3, 1, 2).copy())


def reference(
    kind: str, said: dict[str, Any], images: list[Image.Image], texts: list[str]
) -> Reference:
    """Features by ViTModel, and by BlipTextModel or the middle of BertForMaskedLM."""
    vision, text, vision_proj, text_proj = towers(kind)
    pixels = squashed(images, SIDE)
    tokens = BertTokenizer.from_pretrained(said["tokenizer"])(
        [caption(kind, text) for text in texts],
        padding="max_length",
        truncation=True,
        max_length={"blip": 35, "tcl": 30}[kind],
        return_tensors="pt",
    )
    ids, mask = tokens["input_ids"], tokens["attention_mask"]
    with torch.no_grad():
        hidden = vision(pixel_values=pixels).last_hidden_state
        if kind == "blip":
            states = text(input_ids=ids, attention_mask=mask, is_decoder=False).last_hidden_state
        else:
            out = text(input_ids=ids, attention_mask=mask, output_hidden_states=True)
            states = out.hidden_states[TEXT_LAYERS[kind]]
        projected = vision_proj(hidden)
        return Reference(pixels, projected[:, 0], projected[:, 1:], text_proj(states[:, 0]))


# The last norm and the projection have the width once more each.
IMAGE_TERMS = PATCH_TERMS + terms_of_layers(2, TOWER, 17) + 2 * TOWER


def case(kind: str, fits: int) -> EncoderCase:
    """Make the case of BLIP or TCL."""
    return EncoderCase(
        library=kind,
        save=lambda folder: save(kind, folder),
        reference=lambda *arguments: reference(kind, *arguments),
        dim=DIM,
        image_size=SIDE,
        patches=(SIDE // PATCH) ** 2,
        logit_scale=1 / 0.07,
        fits=fits,
        image_terms=IMAGE_TERMS,
        text_terms=terms_of_layers(TEXT_LAYERS[kind], TOWER, 35) + 2 * TOWER,
        unit="x ",
        mark="[SEP]",
        resize="squash",
        mean=MEAN,
        std=STD,
    )


CASES = {"blip": case("blip", 30), "tcl": case("tcl", 28)}
