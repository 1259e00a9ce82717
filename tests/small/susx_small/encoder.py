"""An encoder of 16 dimensions that needs no more than PyTorch: a layer over patches or letters."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL.Image import Image, Resampling
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from susx.core.errors import InputError
from susx.encoders.base import Tokens, TorchEncoder, Traits
from susx_small.section import SmallEncoder

SIDE, PATCH, WIDTH, DIM = 32, 8, 32, 16
CONTEXT = 77
LETTERS = " !\"'(),-./0123456789:;?abcdefghijklmnopqrstuvwxyz"
PAD, UNKNOWN, END = range(3)
MARK = "[END]"
MEAN, DEVIATION = 0.5, 0.25
WEIGHTS, FACTS = "model.safetensors", "config.json"
LOGIT_SCALE = 14.2849
SHAPES = {
    "pixels": (3 * PATCH**2, WIDTH),
    "letters": (END + 1 + len(LETTERS), WIDTH),
    "places": (CONTEXT, WIDTH),
    "image": (WIDTH, DIM),
    "text": (WIDTH, DIM),
}


class Weights(nn.Module):
    """Matrices by name."""

    def __init__(self, matrices: dict[str, Tensor]) -> None:
        super().__init__()
        for name, matrix in matrices.items():
            self.register_parameter(name, nn.Parameter(matrix, requires_grad=False))


class SmallTowers(TorchEncoder):
    """Means over patches and letters of one hidden layer each, projected."""

    def preprocess(self, image: Image) -> Tensor:
        """Resize to (3, 32, 32) levels."""
        return channels(image.resize((SIDE, SIDE), Resampling.BICUBIC))

    def scaled_levels(self, ramp: Image) -> Tensor:
        """Shift and scale levels."""
        return (channels(ramp).float() / 255 - MEAN) / DEVIATION

    def image_features(self, pixels: Tensor) -> Tensor:
        """Project the mean of the patches: (B, 16)."""
        return self._hidden(pixels).mean(dim=1) @ self._model.image

    def patch_features(self, pixels: Tensor) -> Tensor:
        """Project every patch: (B, 16, 16)."""
        return self._hidden(pixels) @ self._model.image

    def _hidden(self, pixels: Tensor) -> Tensor:
        cut = nn.functional.unfold(pixels, PATCH, stride=PATCH).transpose(1, 2)
        return torch.tanh(cut @ self._model.pixels)

    @property
    def special_tokens(self) -> Sequence[str]:
        """The end of a text."""
        return (MARK,)

    def clean(self, text: str) -> str:
        """Lower case."""
        return text.lower()

    def tokens(self, texts: Sequence[str]) -> Tokens:
        """One number per letter, and the end."""
        rows = [[*map(number, text[: CONTEXT - 1]), END] for text in texts]
        width = max(map(len, rows))
        return {"ids": torch.tensor([row + [PAD] * (width - len(row)) for row in rows])}

    def text_features(self, tokens: Tokens) -> Tensor:
        """Project the mean of the letters: (B, 16)."""
        ids = tokens["ids"]
        read = (ids != PAD).unsqueeze(2).to(self._model.letters.dtype)
        hidden = torch.tanh(self._model.letters[ids] + self._model.places[: ids.shape[1]])
        return (hidden * read).sum(dim=1) / read.sum(dim=1) @ self._model.text

    def truncated(self, texts: Sequence[str]) -> int:
        """Count texts of more letters than are read."""
        return sum(len(text) > CONTEXT - 1 for text in texts)


def channels(image: Image) -> Tensor:
    """(H, W) RGB image as (3, H, W) levels."""
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()


def number(letter: str) -> int:
    """Row of a letter."""
    place = LETTERS.find(letter)
    return UNKNOWN if place < 0 else END + 1 + place


def save(folder: Path, seed: int = 0) -> None:
    """Write a model of random weights."""
    random = torch.Generator().manual_seed(seed)
    matrices = {
        name: torch.randn(shape, generator=random) * shape[0] ** -0.5
        for name, shape in SHAPES.items()
    }
    matrices["letters"] *= SHAPES["letters"][0] ** 0.5  # looked up, not added up
    folder.mkdir(parents=True, exist_ok=True)
    save_file(matrices, folder / WEIGHTS)
    (folder / FACTS).write_text(json.dumps({"logit_scale": LOGIT_SCALE}), "utf-8")


def load(settings: SmallEncoder) -> SmallTowers:
    """Load a model that `save` wrote.

    Raises:
        InputError: if the folder holds none.
    """
    folder = Path(settings.model)
    try:
        matrices = load_file(folder / WEIGHTS)
        scale = float(json.loads((folder / FACTS).read_text("utf-8"))["logit_scale"])
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"encoder model {folder}: cannot be loaded: {error}") from None
    if {name: tuple(matrix.shape) for name, matrix in matrices.items()} != SHAPES:
        raise InputError(f"encoder model {folder}: {WEIGHTS} holds other matrices than a small one")
    matrices["pixels"] *= settings.contrast
    notes = {"contrast": settings.contrast}
    about = {"resize": SIDE, "mean": [MEAN] * 3, "std": [DEVIATION] * 3}
    return SmallTowers(settings, Weights(matrices), Traits(DIM, SIDE, scale, about, notes))
