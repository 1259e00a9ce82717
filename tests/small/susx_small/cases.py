"""What the contract suite of susx has to know of the things of this package."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor

from susx_small import encoder
from tests.contract.cases import (
    EncoderCase,
    LanguageModelCase,
    LayoutCase,
    PoolCase,
    Reference,
)


def save(folder: Path) -> dict[str, Any]:
    """Write a model."""
    encoder.save(folder)
    return {"model": str(folder)}


def reference(said: dict[str, Any], images: list[Image.Image], texts: list[str]) -> Reference:
    """Features by plain loops."""
    weights = load_file(Path(said["model"]) / encoder.WEIGHTS)
    pixels = torch.stack([_pixels(image) for image in images])
    patches = torch.stack([_patches(image, weights) for image in pixels])
    return Reference(
        pixels,
        patches.mean(dim=1),
        patches,
        torch.stack([_text(text.lower(), weights) for text in texts]),
    )


def _pixels(image: Image.Image) -> Tensor:
    levels = encoder.channels(image.resize((encoder.SIDE, encoder.SIDE), Image.Resampling.BICUBIC))
    return (levels.float() / 255 - encoder.MEAN) / encoder.DEVIATION


def _patches(image: Tensor, weights: dict[str, Tensor]) -> Tensor:
    side = encoder.PATCH
    places = [(y, x) for y in range(0, encoder.SIDE, side) for x in range(0, encoder.SIDE, side)]
    cut = [image[:, y : y + side, x : x + side].flatten() for y, x in places]
    return torch.stack([torch.tanh(c @ weights["pixels"]) @ weights["image"] for c in cut])


def _text(text: str, weights: dict[str, Tensor]) -> Tensor:
    ids = [*map(encoder.number, text[: encoder.CONTEXT - 1]), encoder.END]
    rows = [weights["letters"][i] + weights["places"][k] for k, i in enumerate(ids)]
    return torch.stack([torch.tanh(row) @ weights["text"] for row in rows]).mean(dim=0)


ENCODER = EncoderCase(
    library="small",
    save=save,
    reference=reference,
    dim=encoder.DIM,
    image_size=encoder.SIDE,
    patches=(encoder.SIDE // encoder.PATCH) ** 2,
    logit_scale=encoder.LOGIT_SCALE,
    fits=encoder.CONTEXT - 1,
    # Values of a patch, the hidden layer, and the mean over patches or letters.
    image_terms=3 * encoder.PATCH**2 + encoder.WIDTH + 16,
    text_terms=encoder.WIDTH + encoder.CONTEXT,
    resize="squash",
    mark=encoder.MARK,
)


def write_splits(folder: Path, images: Mapping[str, Sequence[tuple[str, bytes]]]) -> dict[str, Any]:
    """Write a zip file per split."""
    for split, rows in images.items():
        with zipfile.ZipFile(folder / f"{split}.zip", "w") as file:
            for number, (name, image) in enumerate(rows):
                file.writestr(f"{name}/{number:03d}.png", image)
    return {"splits": {split: f"{split}.zip" for split in images}}


def write_pool(folder: Path, images: Sequence[tuple[bytes, str]]) -> dict[str, Any]:
    """Write a zip file with captions."""
    with zipfile.ZipFile(folder / "pool.zip", "w") as file:
        for number, (image, _) in enumerate(images):
            file.writestr(f"{number:03d}.png", image)
        captions = {f"{number:03d}.png": caption for number, (_, caption) in enumerate(images)}
        file.writestr("captions.json", json.dumps(captions))
    return {"path": str(folder / "pool.zip")}


@contextmanager
def parrot(folder: Path) -> Iterator[dict[str, Any]]:
    """Nothing has to be there."""
    yield {"voice": "It is said that"}


LAYOUT = LayoutCase(write_splits)
POOL = PoolCase(write_pool)
LANGUAGE_MODEL = LanguageModelCase(parrot)
