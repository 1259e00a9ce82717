"""Whether a loaded encoder embeds at all, before hours are spent on it."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import nullcontext
from typing import TYPE_CHECKING

import torch
from PIL import Image
from torch import Tensor

from susx.core.errors import InputError
from susx.encoders.protocol import SAME

if TYPE_CHECKING:
    from susx.encoders.protocol import Encoder

SCALES = (1.0, 1000.0)
"""Bounds of a logit scale, the first of them excluded. In training CLIP keeps it within 1 and 100,
where 1 is a logarithm of 0 that was never trained; BLIP and TCL keep temperatures within 0.001 and
0.5."""
TEXTS = ("a red bird", "a green tree")
"""Two that no encoder of images and texts takes for one."""
FARTHEST = 10.0
"""Bound of what levels become. Means and deviations of photos (0.4 and 0.27) lead to within 3; a
forgotten or a second division by 255 far out of it, or to next to nothing."""
NARROWEST = 0.5
"""Least distance of black and white: 1 without a deviation, which is itself at most 0.5."""
SIZE = (256, 192)
"""Of the image, a gradient of all levels; a square would not show that a crop is missing."""


def tried(encoder: Encoder, is_compiled: bool = False) -> Encoder:
    """Embed an image and two texts, and return the encoder.

    Args:
        encoder: a loaded encoder.
        is_compiled: whether it compiles its towers as they are first used.

    Raises:
        InputError: if the logit scale cannot be one, the preprocessing or an embedding is not
            finite, the preprocessing makes levels of another range than any model's, embeddings
            have another dimension than the checkpoint says, or different texts are the same to it.
    """
    name = f"encoder model {encoder.name}"
    low, high = SCALES
    if not low < encoder.logit_scale <= high:  # also if it is not a number
        raise InputError(
            f"{name}: its logit scale is {encoder.logit_scale:g}, but a scale lies above {low:g} "
            f"and is at most {high:g}; a checkpoint stores the logarithm of it (BLIP and TCL: "
            "`temp`, its inverse): correct that"
        )
    # Compiling for one image would take minutes. Importing the compiler to say so takes nearly as
    # long as importing PyTorch, so that it is left alone where nothing is compiled.
    with torch.compiler.set_stance("force_eager") if is_compiled else nullcontext():
        pixels = _image(encoder, name)
        image = _embedded(lambda: encoder.encode_images(pixels), encoder, f"{name}: an image")
        texts = _embedded(lambda: encoder.encode_texts(TEXTS), encoder, f"{name}: texts")
    if not len(image) == 1 or not len(texts) == len(TEXTS):
        raise InputError(f"{name}: gives other numbers of rows than it is given images and texts")
    if float((texts[0] - texts[1]).norm()) <= SAME:
        raise InputError(
            f'{name}: "{TEXTS[0]}" and "{TEXTS[1]}" are the same to it, as all texts will be; its '
            "tokenizer is not the model's, such as one that never writes the `eos_token_id` of "
            "its configuration"
        )
    return encoder


def _image(encoder: Encoder, name: str) -> Tensor:
    shown = Image.linear_gradient("L").resize(SIZE).convert("RGB")
    pixels = encoder.preprocess(shown)[None]
    if not encoder.scale(pixels).isfinite().all():
        raise InputError(
            f"{name}: its preprocessing makes values that are not finite; correct `image_std` in "
            "its configuration, which divides and must not be 0"
        )
    values = encoder.scale(pixels)
    low, high = values.min().item(), values.max().item()
    if max(-low, high) > FARTHEST or high - low < NARROWEST:
        raise InputError(
            f"{name}: its preprocessing turns black to white into {low:.4g} to {high:.4g}, which "
            "no encoder is trained with; `image_mean` and `image_std` are shares of 1 in its "
            "configuration where `do_rescale` is on, which divides levels by 255"
        )
    return pixels


def _embedded(embed: Callable[[], Tensor], encoder: Encoder, what: str) -> Tensor:
    """Rows of unit length."""
    try:
        rows = embed()
    except Exception as error:  # libraries raise many kinds, and that of tokenizers a bare one
        raise InputError(
            f"{what} cannot be embedded ({error}); its configuration, its weights and the files "
            "of its preprocessing and tokenizer do not fit together"
        ) from None
    if rows.ndim != 2 or rows.shape[1] != encoder.dim:
        raise InputError(
            f"{what} become {tuple(rows.shape)}, but its configuration says {encoder.dim} "
            "dimensions; correct that"
        )
    lengths = rows.norm(dim=1, keepdim=True)
    if not all(math.isfinite(length) and length > 0 for length in lengths.flatten().tolist()):
        raise InputError(f"{what}: the embedding is not finite, or zero; its weights are broken")
    unit: Tensor = rows / lengths
    return unit
