"""The published checkpoints of BLIP and TCL, as modules of the transformers library."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.functional import interpolate
from transformers import BertConfig, BertModel, BlipVisionConfig, BlipVisionModel

from susx.core.errors import InputError, listing
from susx.encoders.hub import folder_of
from susx.encoders.model_files import OF_TRANSFORMERS, model_config

WEIGHTS = (".safetensors", ".bin", ".pth", ".pt")  # in order of preference
HEAD = 64  # width of an attention head, in every published size of ViT and BERT
VISION = "vision_model."
"""What names of transformers' vision tower begin with."""
INITIAL = "logit_scale_init_value"
"""Logarithm of the inverse of the temperature, as transformers' configurations call it."""
TIMM_NAMES = (
    ("embeddings.class_embedding", "cls_token"),
    ("embeddings.position_embedding", "pos_embed"),
    ("embeddings.patch_embedding.", "patch_embed.proj."),
    ("post_layernorm.", "norm."),
    ("encoder.layers.", "blocks."),
    (".layer_norm", ".norm"),
    (".self_attn.qkv.", ".attn.qkv."),
    (".self_attn.projection.", ".attn.proj."),
)


@dataclass(frozen=True)
class Checkpoint:
    """Named tensors.

    Attributes:
        name: file, folder or hub identifier, for messages.
        tensors: tensors by name.
        prefix: what was cut off from the names.
        notes: what goes on record.
    """

    name: str
    tensors: Mapping[str, Tensor]
    prefix: str = ""
    notes: Mapping[str, str] = field(default_factory=dict)

    def below(self, prefix: str) -> Checkpoint:
        """Return the part whose names start with a prefix, which is cut off."""
        start = len(prefix)
        part = {k[start:]: v for k, v in self.tensors.items() if k.startswith(prefix)}
        return Checkpoint(self.name, part, self.prefix + prefix)

    def shape(self, key: str, dimensions: int) -> torch.Size:
        """Return the shape of a tensor.

        Raises:
            InputError: if it is missing or does not have so many dimensions.
        """
        if key not in self.tensors:
            raise self.lacks(key)
        shape = self.tensors[key].shape
        if len(shape) != dimensions:
            raise InputError(
                f"encoder model {self.name}: {self.prefix}{key} has shape {tuple(shape)}, but "
                f"needs {dimensions} dimensions; it is a checkpoint of another model"
            )
        return shape

    def layers(self, pattern: str) -> int:
        """Return one more than the greatest number that a name has at the pattern's group."""
        matches = (re.match(pattern, key) for key in self.tensors)
        return 1 + max((int(match[1]) for match in matches if match), default=0)

    def fill(self, module: Any, renamed: Callable[[str], str] = str) -> Any:
        """Load all weights of a module; what it does not have is left out.

        Args:
            module: to fill.
            renamed: turns a name of the module into that of the checkpoint.

        Raises:
            InputError: if a weight is missing or has another shape.
        """
        wanted = module.state_dict()
        for key in sorted(wanted):
            source = renamed(key)
            if source not in self.tensors:
                raise self.lacks(source)
            if self.tensors[source].shape != wanted[key].shape:
                raise InputError(
                    f"encoder model {self.name}: {self.prefix}{source} has shape "
                    f"{tuple(self.tensors[source].shape)}, but needs {tuple(wanted[key].shape)}; "
                    "it is a checkpoint of another model"
                )
        module.load_state_dict({key: self.tensors[renamed(key)] for key in wanted})
        return module

    def lacks(self, key: str) -> InputError:
        """Return the error for a missing tensor."""
        return InputError(
            f"encoder model {self.name}: weights are missing ({self.prefix}{key}, ...); it is not "
            "a complete checkpoint with contrastive heads"
        )


def read_checkpoint(model: str, revision: str | None) -> Checkpoint:
    """Read the tensors of a file, of the only one in a folder, or of a hub model.

    Raises:
        InputError: if there is none or more than one, or if it holds anything but data.
    """
    path = _file_of(model, revision)
    try:
        if path.suffix == ".safetensors":
            return _as_published(Checkpoint(model, load_file(path)), path.parent)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # unpickling fails in many ways, none of which runs code
        raise InputError(
            f"encoder model {path}: cannot be read as data only ({type(error).__name__}); it is "
            "broken, or a pickle that could run code: save its entry `model` alone, best as "
            "safetensors"
        ) from None
    weights = content.get("model", content) if isinstance(content, dict) else None
    weights = weights if isinstance(weights, dict) else {}
    tensors = {k: v for k, v in weights.items() if isinstance(k, str) and isinstance(v, Tensor)}
    if not tensors:
        raise InputError(f"encoder model {path}: holds no tensors by name; it is no checkpoint")
    return _as_published(Checkpoint(model, tensors), path.parent)


def _as_published(checkpoint: Checkpoint, folder: Path) -> Checkpoint:
    """Rename what transformers' BlipForImageTextRetrieval wrote, which is BLIP without `temp`.

    Its temperature is the one that training started with, which its configuration tells.
    """
    if not any(key.startswith(VISION) for key in checkpoint.tensors):
        return checkpoint
    tensors = {_published_name(key): tensor for key, tensor in checkpoint.tensors.items()}
    initial = model_config(folder).get(INITIAL)
    if "temp" in tensors or not isinstance(initial, float):
        return Checkpoint(checkpoint.name, tensors)
    tensors["temp"] = torch.tensor(math.exp(-initial), dtype=torch.float64)
    notes = {"logit_scale_from": f"config.json: {INITIAL}"}
    return Checkpoint(checkpoint.name, tensors, notes=notes)


def _published_name(key: str) -> str:
    """Publisher's name of what transformers calls so."""
    if not key.startswith(VISION):
        return key
    return f"visual_encoder.{_timm_name(key.removeprefix(VISION))}"


def _file_of(model: str, revision: str | None) -> Path:
    if Path(model).is_file():
        return Path(model)
    folder = folder_of(model, revision, [OF_TRANSFORMERS, *(f"*{suffix}" for suffix in WEIGHTS)])
    for suffix in WEIGHTS:
        found = sorted(folder.glob(f"*{suffix}"))
        if len(found) > 1:
            names = listing(path.name for path in found)
            raise InputError(f"encoder model {model}: name one file of its folder: {names}")
        if found:
            return found[0]
    raise InputError(f"encoder model {model}: has no checkpoint, a file in {listing(WEIGHTS)}")


def vision_tower(checkpoint: Checkpoint, image_size: int | None) -> Any:
    """Build the ViT, with positions interpolated if another image size is wanted.

    Raises:
        InputError: if weights are missing or do not fit, or the image size does not.
    """
    own = checkpoint.below("visual_encoder.")
    width, _, patch, _ = own.shape("patch_embed.proj.weight", 4)
    grid = math.isqrt(own.shape("pos_embed", 3)[1] - 1)
    side = image_size or grid * patch
    if side % patch:
        raise InputError(
            f"encoder model {own.name}: `image_size` {side} is no multiple of its patches' {patch}"
        )
    positions = interpolated(own.tensors["pos_embed"], side // patch)
    config = BlipVisionConfig(
        hidden_size=width,
        intermediate_size=own.shape("blocks.0.mlp.fc1.weight", 2)[0],
        num_hidden_layers=own.layers(r"blocks\.(\d+)\."),
        num_attention_heads=_heads(width, own),
        image_size=side,
        patch_size=patch,
        layer_norm_eps=1e-6,
        hidden_act="gelu",
    )
    sized = Checkpoint(own.name, {**own.tensors, "pos_embed": positions}, own.prefix)
    return sized.fill(BlipVisionModel(config), _timm_name)


def _heads(width: int, part: Checkpoint) -> int:
    if width % HEAD:
        raise InputError(
            f"encoder model {part.name}: {part.prefix}* has width {width}, which is no multiple of "
            f"{HEAD}, the width of an attention head; it is a checkpoint of another model"
        )
    return width // HEAD


def _timm_name(key: str) -> str:
    for ours, theirs in TIMM_NAMES:
        key = key.replace(ours, theirs)
    return key


def interpolated(positions: Tensor, grid: int) -> Tensor:
    """Resize (1, 1 + n * n, d) position embeddings to a grid of another side, bicubically."""
    patches = positions[:, 1:]
    side = math.isqrt(patches.shape[1])
    if side == grid:
        return positions
    square = patches[:, : side * side].transpose(1, 2).reshape(1, -1, side, side).float()
    resized = interpolate(square, (grid, grid), mode="bicubic", align_corners=False)
    return torch.cat([positions[:, :1].float(), resized.flatten(2).transpose(1, 2)], dim=1)


def text_tower(checkpoint: Checkpoint, layers: int | None) -> Any:
    """Build the BERT of the text branch: its lowest `layers`, or all, without cross-attention.

    Raises:
        InputError: if weights are missing or do not fit.
    """
    own = checkpoint.below("text_encoder.")
    if any(key.startswith("bert.") for key in own.tensors):  # TCL before fine-tuning
        own = own.below("bert.")
    vocabulary, width = own.shape("embeddings.word_embeddings.weight", 2)
    types = "embeddings.token_type_embeddings.weight"
    tensors = {types: torch.zeros(2, width), **own.tensors}  # BLIP adds none
    config = BertConfig(
        vocab_size=vocabulary,
        hidden_size=width,
        num_hidden_layers=layers or own.layers(r"encoder\.layer\.(\d+)\."),
        num_attention_heads=_heads(width, own),
        intermediate_size=own.shape("encoder.layer.0.intermediate.dense.weight", 2)[0],
        max_position_embeddings=own.shape("embeddings.position_embeddings.weight", 2)[0],
        type_vocab_size=tensors[types].shape[0],
        layer_norm_eps=1e-12,
    )
    model = BertModel(config, add_pooling_layer=False)
    return Checkpoint(own.name, tensors, own.prefix).fill(model)


def dual_encoder(
    checkpoint: Checkpoint, image_size: int | None, text_layers: int | None
) -> nn.ModuleDict:
    """Build both towers and their projections into the joint space.

    Raises:
        InputError: if weights are missing or do not fit.
    """
    dim = checkpoint.shape("vision_proj.weight", 2)[0]
    modules = nn.ModuleDict()
    for name, tower in (
        ("vision", vision_tower(checkpoint, image_size)),
        ("text", text_tower(checkpoint, text_layers)),
    ):
        modules[name] = tower
        projection = nn.Linear(tower.config.hidden_size, dim)
        modules[f"{name}_proj"] = checkpoint.below(f"{name}_proj.").fill(projection)
    return modules
