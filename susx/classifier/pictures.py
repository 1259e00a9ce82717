"""What a caller gives: images, as sources that are decoded one by one, and numbers, as arrays."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from susx.core.errors import InputError
from susx.manifests.tables import ImageRecord

if TYPE_CHECKING:
    from susx.embeddings.prepare import ImageSource

CHANNELS = (1, 3, 4)
"""Grey, RGB and RGBA."""
TAKEN = (
    "paths, bytes of image files, PIL images, uint8 arrays (H, W) or (H, W, C), uint8 tensors "
    "(C, H, W), or a list of these"
)
NUMBERS = "give real numbers, dense, such as `features.float()` or `features.astype('float32')`"


def sources_of(images: Any) -> list[ImageSource]:
    """Sources of one image or of several.

    Args:
        images: a path, bytes of an image file, a PIL image, a uint8 array (H, W) or (H, W, C), a
            uint8 tensor (C, H, W), a list or tuple of these, or an array or tensor of N such
            images with one axis more. C is 1, 3 or 4.

    Raises:
        TypeError: if it is none of these, naming its place in a list.
    """
    if isinstance(images, np.ndarray | Tensor) and images.ndim == 4:
        return [_source(image, f"image {place}: ") for place, image in enumerate(images)]
    if isinstance(images, list | tuple):
        return [_source(image, f"image {place}: ") for place, image in enumerate(images)]
    return [_source(images, "")]


def plain_array(values: Any, name: str) -> NDArray[Any]:
    """An array, a tensor or nested lists of numbers as an array that torch takes, in any shape.

    Raises:
        InputError: if it holds no numbers, complex ones, or ones that NumPy does not know.
    """
    if isinstance(values, Tensor):
        if values.dtype == torch.bfloat16 or values.layout != torch.strided:
            kind = f"{values.dtype}, {values.layout}".replace("torch.", "")
            raise InputError(f"{name} are a tensor of {kind}; {NUMBERS}")
        values = values.detach().cpu().resolve_neg().numpy()
    try:
        found = np.asarray(values)
    except ValueError as error:
        raise InputError(f"{name} are no array ({error}); {NUMBERS}") from None
    if found.dtype.kind not in "fiub":
        raise InputError(f"{name} are of type {found.dtype}; {NUMBERS}")
    native = np.float64 if found.dtype == np.longdouble else found.dtype.newbyteorder("=")
    return np.ascontiguousarray(found, dtype=native)


def _source(image: Any, place: str) -> ImageSource:
    if isinstance(image, str | Path | bytes | Image.Image | ImageRecord):
        return image
    if isinstance(image, bytearray | memoryview):
        return bytes(image)
    if isinstance(image, np.ndarray | Tensor):
        return _picture(image, place)
    raise TypeError(f"{place}{type(image).__name__} is no image; give {TAKEN}")


def _picture(values: Any, place: str) -> Image.Image:
    """A PIL image of the levels of an array, or of a tensor with channels first."""
    kind, shape = str(values.dtype).removeprefix("torch."), tuple(values.shape)
    if kind != "uint8":
        raise TypeError(
            f"{place}values of type {kind} have no known range; give levels from 0 to 255 as uint8"
        )
    levels = values.detach().cpu().numpy() if isinstance(values, Tensor) else values
    if isinstance(values, Tensor) and levels.ndim == 3:
        levels = np.moveaxis(levels, 0, 2)
    if levels.ndim == 3 and levels.shape[2] == 1:
        levels = levels[:, :, 0]
    if levels.ndim not in (2, 3) or (levels.ndim == 3 and levels.shape[2] not in CHANNELS):
        raise TypeError(f"{place}an image of shape {shape}; give {TAKEN}")
    if not levels.size:
        raise TypeError(f"{place}an image of shape {shape} has no pixels")
    return Image.fromarray(np.ascontiguousarray(levels))
