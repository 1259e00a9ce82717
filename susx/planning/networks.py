"""What a model computes: floating-point operations of a pass, from its files or its name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from math import prod
from pathlib import Path
from typing import Any

from susx.config.encoders import HUB_PREFIX, EncoderSettings
from susx.config.synthesis import Synthesis
from susx.core.errors import InputError
from susx.core.files import read_json
from susx.core.hub import snapshot_folder
from susx.encoders.model_files import OF_OPEN_CLIP, OF_TRANSFORMERS


@dataclass(frozen=True)
class Passes:
    """Floating-point operations of an encoder per image and per text, and its dimension."""

    image: float
    text: float
    dim: int


PROFILES = {
    "b-?32|patch32": Passes(8.8e9, 6e9, 512),
    "l-?14|large-patch14": Passes(162e9, 13e9, 768),
    "so400m.*384": Passes(670e9, 13e9, 1152),
    "so400m": Passes(220e9, 13e9, 1152),
    "h-?14": Passes(335e9, 47e9, 1024),
    "rn-?50|resnet-?50": Passes(12.2e9, 6e9, 1024),
    "rn-?101|resnet-?101": Passes(19.5e9, 6e9, 512),
    "": Passes(35e9, 11e9, 768),
}
"""Encoders by a part of their name, from docs/model_profile.csv of open_clip; the last is ViT-B/16
of SigLIP, which stands for all others."""
TOWER = {"hidden_size": 768, "num_hidden_layers": 12, "image_size": 224, "patch_size": 16}
"""What transformers takes for a tower whose configuration is silent (CLIP's and SigLIP's)."""
CONTEXT = 77
"""Tokens of a text that is padded, in CLIP."""
USED_AT = 1 / 10
"""Share of the positions of its finest level at which a weight of a U-Net or a decoder of images is
used: Stable Diffusion 1.4 has 860 M weights and 339 G multiplications at 64 x 64 positions, its
decoder 50 M and 1,240 G at 512 x 512 (Kim et al., BK-SDM, 2023, table 1)."""
DECODING = 0.6
"""Share of a VAE's weights that its decoder has, in Stable Diffusion."""
DRAWER: Mapping[str, Any] = {
    **{"unet": 860e6, "vae": 84e6, "sample_size": 64, "image_size": 512},
    "block_out_channels": (128, 256, 512, 512),
}
"""Stable Diffusion 1.4, which stands for text-to-image models that are not here yet."""
BILLIONS = re.compile(r"(?<![\d.])(\d+(?:\.\d+)?)B(?![a-z])", re.IGNORECASE)
"""How names of language models tell the number of their weights."""


def model_folder(model: str, revision: str | None) -> Path | None:
    """Folder of a model that is here, in a folder of its own or in the cache of the hub."""
    name = model.removeprefix(HUB_PREFIX)
    return Path(name).resolve() if Path(name).is_dir() else snapshot_folder(name, revision)


def encoder_passes(settings: EncoderSettings) -> Passes:
    """Operations of an encoder, by its configuration, or else by its name."""
    folder = model_folder(settings.model, settings.revision)
    named = f"{settings.model} {settings.architecture or ''} {settings.backbone or ''}".lower()
    guess = next(found for part, found in PROFILES.items() if re.search(part, named))
    try:
        return (folder and (_of_transformers(folder) or _of_open_clip(folder, guess))) or guess
    except (AttributeError, KeyError, TypeError, ZeroDivisionError):  # of another form
        return guess


def _of_transformers(folder: Path) -> Passes | None:
    config = _config(folder, OF_TRANSFORMERS, "vision_config")
    if config is None:
        return None
    vision, text = {**TOWER, **config["vision_config"]}, config.get("text_config") or {}
    dim = config.get("projection_dim") or vision["hidden_size"]
    text = {**TOWER, "hidden_size": dim, **text}
    image = _transformer(vision, (vision["image_size"] / vision["patch_size"]) ** 2)
    return Passes(image, _transformer(text, text.get("max_position_embeddings", CONTEXT)), dim)


def _of_open_clip(folder: Path, guess: Passes) -> Passes | None:
    config = _config(folder, OF_OPEN_CLIP, "model_cfg")
    if config is None:
        return None
    model = config["model_cfg"]
    vision, dim = model["vision_cfg"], model.get("embed_dim", guess.dim)
    if isinstance(vision.get("layers"), int) and vision.get("patch_size"):
        tower = {"hidden_size": vision["width"], "num_hidden_layers": vision["layers"]}
        patches = (vision.get("image_size", 224) / vision["patch_size"]) ** 2
        return Passes(_transformer(tower, patches), guess.text, dim)
    return Passes(guess.image, guess.text, dim)


def _transformer(tower: Mapping[str, Any], tokens: float) -> float:
    """Operations of a pass: two per token and weight of the layers, and those of attention."""
    width, layers = tower["hidden_size"], tower["num_hidden_layers"]
    wide = tower.get("intermediate_size", 4 * width)
    return float(2 * layers * tokens * (4 * width**2 + 2 * width * wide + 2 * tokens * width))


def token_operations(model: str, revision: str | None) -> float | None:
    """Operations of a language model per token: two per weight. None if its size is not known."""
    folder = model_folder(model, revision)
    if folder and (weights := _weights(folder)):
        return 2.0 * weights
    named = BILLIONS.search(model)
    return 2e9 * float(named[1]) if named else None


@dataclass(frozen=True)
class Drawing:
    """Operations that an image takes, and its side in pixels."""

    operations: float
    side: int


def drawing_of(settings: Synthesis) -> Drawing:
    """What a text-to-image model computes for an image: all its steps, and the decoding."""
    known: dict[str, Any] = dict(DRAWER)
    folder = model_folder(settings.model or "", settings.revision)
    if folder and (unet := _weights(folder / "unet")):
        positions = (_config(folder / "unet", OF_TRANSFORMERS, "sample_size") or known)[
            "sample_size"
        ]
        vae = _config(folder / "vae", OF_TRANSFORMERS, "block_out_channels") or DRAWER
        known = {"unet": unet, "vae": _weights(folder / "vae"), "sample_size": positions}
        known["image_size"] = positions * 2 ** (len(vae["block_out_channels"]) - 1)
    side = settings.image_size or known["image_size"]
    zoom = (side / known["image_size"]) ** 2
    passes = (settings.steps or 1) * (2 if (settings.guidance or 0) > 1 else 1)
    drawn = passes * known["unet"] * known["sample_size"] ** 2
    decoded = DECODING * known["vae"] * known["image_size"] ** 2
    return Drawing(2 * USED_AT * zoom * (drawn + decoded), side)


@cache
def _weights(folder: Path) -> int:
    """Number of weights in the safetensors files of a folder, by their headers."""
    return sum(prod(shape) for file in folder.glob("*.safetensors") for shape in _shapes(file))


def _shapes(file: Path) -> Iterator[list[int]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="numpy") as tensors:
            for name in tensors.keys():  # noqa: SIM118  # it is no mapping
                yield tensors.get_slice(name).get_shape()
    except (OSError, SafetensorError):
        return


def _config(folder: Path, name: str, key: str) -> dict[str, Any] | None:
    """A configuration of a model, if it is readable and has a key with a value."""
    try:
        found = read_json(folder / name)
    except (InputError, OSError):
        return None
    return found if isinstance(found, dict) and found.get(key) else None
