"""CLIP models of the transformers library, from a local folder or the hub."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from transformers import AutoTokenizer, CLIPModel
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from susx.compute import pick_device
from susx.config import Encoder as Settings
from susx.errors import InputError

if TYPE_CHECKING:
    from PIL.Image import Image


class TransformersClip:
    """`CLIPModel` behind the encoder contract."""

    def __init__(self, settings: Settings, model: Any, tokenizer: Any, processor: Any) -> None:
        self.name = settings.model
        self.dim = int(model.config.projection_dim)
        self.image_size = int(model.config.vision_config.image_size)
        self.logit_scale = float(model.logit_scale.detach().float().exp())
        self.provenance = {
            "library": settings.library,
            "model": settings.model,
            "revision": settings.revision,
            "weights_sha256": _weights_sha256(model),
            "precision": settings.precision,
            "preprocessing": processor.to_dict(),
        }
        self._device = torch.device(pick_device(settings.device))
        self._dtype = getattr(torch, settings.precision)
        self._model = model.to(self._device, self._dtype).eval()
        self._tokenizer = tokenizer
        self._processor = processor
        self._context = int(model.config.text_config.max_position_embeddings)

    def preprocess(self, image: Image) -> Tensor:
        """Resize, crop and normalise with the checkpoint's own image processor."""
        pixels: Tensor = self._processor(image, return_tensors="pt")["pixel_values"][0]
        return pixels

    @torch.inference_mode()
    def encode_images(self, batch: Tensor) -> Tensor:
        """Embed (B, 3, H, W) inputs as (B, d) float32 rows on the CPU, not normalised."""
        pooled = self._vision(batch).pooler_output
        features: Tensor = self._model.visual_projection(pooled).float().cpu()
        return features

    @torch.inference_mode()
    def encode_patches(self, batch: Tensor) -> Tensor:
        """Embed the P patches of (B, 3, H, W) inputs as (B, P, d): projected as the image is."""
        tokens = self._vision(batch).last_hidden_state[:, 1:]
        normed = self._model.vision_model.post_layernorm(tokens)
        features: Tensor = self._model.visual_projection(normed).float().cpu()
        return features

    def _vision(self, batch: Tensor) -> Any:
        return self._model.vision_model(pixel_values=batch.to(self._device, self._dtype))

    @torch.inference_mode()
    def encode_texts(self, texts: Sequence[str]) -> Tensor:
        """Embed texts as (B, d) float32 rows on the CPU, not normalised; long texts are cut."""
        tokens = self._tokenizer(
            list(texts),
            padding=True,
            truncation=True,
            max_length=self._context,
            return_tensors="pt",
        ).to(self._device)
        pooled = self._model.text_model(
            input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"]
        ).pooler_output
        features: Tensor = self._model.text_projection(pooled).float().cpu()
        return features

    def count_truncated(self, texts: Sequence[str]) -> int:
        """Count the texts longer than the text encoder's context."""
        lengths = map(len, self._tokenizer(list(texts), truncation=False)["input_ids"])
        return sum(length > self._context for length in lengths)


def load(settings: Settings) -> TransformersClip:
    """Load a CLIP checkpoint without running code that it brings along.

    Raises:
        InputError: if the model is missing, incomplete, or not a CLIP model.
    """
    options = {"revision": settings.revision, "trust_remote_code": False}
    try:
        model, report = CLIPModel.from_pretrained(
            settings.model,
            dtype=torch.float32,
            use_safetensors=True,
            output_loading_info=True,
            **options,
        )
        tokenizer = AutoTokenizer.from_pretrained(settings.model, **options)
        processor = CLIPImageProcessorPil.from_pretrained(settings.model, **options)
    except Exception as error:  # the library raises many kinds for missing and broken files
        raise InputError(
            f"encoder model {settings.model}: cannot be loaded as a CLIP model of transformers "
            f"({type(error).__name__}: {error}); give a folder that save_pretrained wrote, or a "
            "hub identifier"
        ) from None
    if report["missing_keys"]:
        raise InputError(
            f"encoder model {settings.model}: weights are missing "
            f"({sorted(report['missing_keys'])[0]}, ...); it is not a complete CLIP checkpoint"
        )
    return TransformersClip(settings, model, tokenizer, processor)


def _weights_sha256(model: Any) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name}{tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().float().contiguous().numpy().data)
    return digest.hexdigest()
