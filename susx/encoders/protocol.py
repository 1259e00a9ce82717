"""What every encoder offers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

SAME = 2 * 2.0**-11
"""Distance below which two unit vectors are one: what rounding both to float16 may move them."""


class Encoder(Protocol):
    """What every encoder offers.

    Attributes:
        name: folder or hub identifier.
        dim: dimension d of the joint space.
        image_size: side of the square input, in pixels.
        logit_scale: factor on cosines that the encoder was trained with.
        transparency: `dropped` if transparent pixels keep their colours, `white` if they are laid
            over white.
        provenance: library, model, revision, weights hash, precision, preprocessing.
    """

    name: str
    dim: int
    image_size: int
    logit_scale: float
    transparency: Literal["dropped", "white"]
    provenance: dict[str, Any]

    def preprocess(self, image: Image) -> Tensor:
        """Resize and crop an RGB image to (3, H, W) uint8 levels, as the publisher does it.

        Models of any aspect give a float32 matrix of patches instead.
        """
        ...

    def scale(self, batch: Tensor) -> Tensor:
        """Turn what `preprocess` gives into the float32 input, bit for bit the publisher's."""
        ...

    def encode_images(self, batch: Tensor) -> Tensor:
        """Embed B images of `preprocess` as (B, d) float32 rows on the CPU, not normalised."""
        ...

    def encode_patches(self, batch: Tensor) -> Tensor:
        """Embed the P patches of B images as (B, P, d), otherwise as images."""
        ...

    def encode_texts(self, texts: Sequence[str]) -> Tensor:
        """Embed texts as (B, d) float32 rows on the CPU, not normalised; long texts are cut."""
        ...

    def count_truncated(self, texts: Sequence[str]) -> int:
        """Count the texts that `encode_texts` cuts."""
        ...
