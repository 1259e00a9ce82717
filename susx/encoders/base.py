"""What encoders of all libraries share: device, precision, compilation, provenance."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from PIL.Image import fromarray
from torch import Tensor

from susx.config.encoders import EncoderSettings
from susx.core.compute import pick_device
from susx.core.errors import InputError
from susx.encoders.texts import cleaned

if TYPE_CHECKING:
    from PIL.Image import Image

COUNTED_AT_ONCE = 1024  # texts whose tokens, some 5 KB each, are in memory
FIRST = 1024  # weights that nearly always tell, to spare a look at all of them
Tokens = Mapping[str, Tensor]


@dataclass(frozen=True)
class Traits:
    """What a checkpoint says of itself.

    Attributes:
        dim: dimension d of the joint space.
        image_size: side of the square input, in pixels.
        logit_scale: factor on cosines that the encoder was trained with.
        preprocessing: settings of the image preprocessing, for the record.
        notes: what else goes on record.
        transparency: what becomes of transparent pixels, as in `susx.encoders.protocol.Encoder`.
    """

    dim: int
    image_size: int
    logit_scale: float
    preprocessing: Mapping[str, Any]
    notes: Mapping[str, Any]
    transparency: Literal["dropped", "white"] = "dropped"


def require_fractions(model: torch.nn.Module, name: str) -> None:
    """Make sure that no matrix of weights holds whole numbers only, as quantised ones do.

    Libraries read those of int8 as they stand, without the scale that they are to be multiplied by.

    Raises:
        InputError: if one does.
    """
    for key, weight in model.named_parameters():
        if weight.ndim < 2 or not _is_whole(weight.flatten()[:FIRST]) or not _is_whole(weight):
            continue
        if weight.count_nonzero():
            raise InputError(
                f"encoder model {name}: its weights {key} are whole numbers, as quantised ones "
                "are, whose scale is not read; give weights of a floating type"
            )


def _is_whole(values: Tensor) -> bool:
    return bool((values == values.round()).all())


class TorchEncoder(ABC):
    """An encoder whose towers are torch modules; a library says how they are called.

    Attributes as in `susx.encoders.protocol.Encoder`.
    """

    def __init__(self, settings: EncoderSettings, model: Any, traits: Traits) -> None:
        require_fractions(model, settings.model)
        self.name = settings.model
        self.dim = traits.dim
        self.image_size = traits.image_size
        self.logit_scale = traits.logit_scale
        self.transparency = traits.transparency
        self.provenance: dict[str, Any] = {
            "library": settings.library,
            "model": settings.model,
            "revision": settings.revision,
            "weights_sha256": weights_sha256(model),
            "precision": settings.precision,
            "preprocessing": dict(traits.preprocessing),
            "transparency": traits.transparency,
            **({"compiled": True} if settings.compile else {}),
            **traits.notes,
        }
        self._device = torch.device(pick_device(settings.device))
        self._dtype = getattr(torch, settings.precision)
        self._model = model.to(self._device, self._dtype).eval()

        def compiled(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
            return torch.compile(function) if settings.compile else function

        self._images = compiled(self.image_features)
        self._patches = compiled(self.patch_features)
        self._texts = compiled(self.text_features)

    @property
    def module(self) -> torch.nn.Module:
        """The library's own model, with all weights."""
        model: torch.nn.Module = self._model
        return model

    @abstractmethod
    def preprocess(self, image: Image) -> Tensor:
        """Resize and crop an RGB image to (3, H, W) uint8 levels, as the publisher does it."""

    @abstractmethod
    def scaled_levels(self, ramp: Image) -> Tensor:
        """Scale and normalise a 256 x 1 RGB image to (3, 1, 256), as the publisher does it."""

    def scale(self, batch: Tensor) -> Tensor:
        """Turn (B, 3, H, W) uint8 levels into the float32 input.

        A level has one value per channel, which is looked up: exact, at a quarter of the memory
        between preprocessing and device.
        """
        table = self._levels.to(batch.device)
        return torch.stack(
            [torch.take(table[channel], batch[:, channel].long()) for channel in range(3)], dim=1
        )

    @cached_property
    def _levels(self) -> Tensor:
        ramp = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
        return self.scaled_levels(fromarray(ramp))[:, 0]

    @abstractmethod
    def image_features(self, pixels: Tensor) -> Tensor:
        """Embed (B, 3, H, W) inputs on the device as (B, d)."""

    @abstractmethod
    def patch_features(self, pixels: Tensor) -> Tensor:
        """Embed the P patches of (B, 3, H, W) inputs on the device as (B, P, d)."""

    @property
    def special_tokens(self) -> Sequence[str]:
        """What the tokenizer reads as marks, such as the end of a text; none if not overridden."""
        return ()

    def clean(self, text: str) -> str:
        """Clean a text as the publisher does before tokenising; unchanged if not overridden."""
        return text

    @abstractmethod
    def tokens(self, texts: Sequence[str]) -> Tokens:
        """Turn B cleaned texts into the named inputs of `text_features`, each (B, L)."""

    @abstractmethod
    def text_features(self, tokens: Tokens) -> Tensor:
        """Embed tokens on the device as (B, d)."""

    @abstractmethod
    def truncated(self, texts: Sequence[str]) -> int:
        """Count the cleaned texts that `tokens` cuts."""

    @torch.inference_mode()
    def encode_images(self, batch: Tensor) -> Tensor:
        """Embed B images of `preprocess` as (B, d) float32 rows on the CPU, not normalised."""
        return self._images(self._placed(batch)).float().cpu()

    @torch.inference_mode()
    def encode_patches(self, batch: Tensor) -> Tensor:
        """Embed the P patches of B images as (B, P, d), otherwise as images."""
        return self._patches(self._placed(batch)).float().cpu()

    @torch.inference_mode()
    def encode_texts(self, texts: Sequence[str]) -> Tensor:
        """Embed texts as (B, d) float32 rows on the CPU, not normalised; long texts are cut.

        Raises:
            InputError: if a text holds a special token of the tokenizer.
        """
        tokens = self.tokens(self._cleaned(texts))
        on_device = {name: ids.to(self._device) for name, ids in tokens.items()}
        return self._texts(on_device).float().cpu()

    def count_truncated(self, texts: Sequence[str]) -> int:
        """Count the texts that `encode_texts` cuts.

        Raises:
            InputError: if a text holds a special token of the tokenizer.
        """
        known = self._cleaned(texts)
        starts = range(0, len(known), COUNTED_AT_ONCE)
        return sum(self.truncated(known[start : start + COUNTED_AT_ONCE]) for start in starts)

    def _cleaned(self, texts: Sequence[str]) -> list[str]:
        return cleaned(texts, self.clean, self.special_tokens, self.name)

    def _placed(self, batch: Tensor) -> Tensor:
        return self.scale(batch.to(self._device)).to(self._dtype)


def weights_sha256(model: Any) -> str:
    """Hash names, shapes and float32 values of a model's state."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name}{tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().float().contiguous().numpy().data)
    return digest.hexdigest()
