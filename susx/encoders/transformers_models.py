"""CLIP, MetaCLIP and SigLIP models of the transformers library, from a folder or the hub."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import torch
import transformers
from huggingface_hub import hf_hub_download
from huggingface_hub.errors import EntryNotFoundError
from torch import Tensor
from transformers import AutoConfig, AutoTokenizer

from susx.config.encoders import EncoderSettings
from susx.core.errors import InputError, listing
from susx.encoders.base import Tokens, TorchEncoder, Traits
from susx.encoders.hub import NOT_DATA, load_failure
from susx.encoders.texts import as_written, clip_text, siglip_text

if TYPE_CHECKING:
    from PIL.Image import Image


class ClipEncoder(TorchEncoder):
    """A model of the CLIP family (Radford et al., arXiv:2103.00020; Xu et al., 2309.16671)."""

    cleaning: Callable[[str], str] = staticmethod(clip_text)
    padding: bool | str = True
    tokenizer_inputs: tuple[str, ...] = ("input_ids", "attention_mask")

    def __init__(
        self, settings: EncoderSettings, model: Any, tokenizer: Any, processor: Any
    ) -> None:
        super().__init__(settings, model, self._traits(model, processor))
        self._tokenizer = tokenizer
        self._processor = processor
        self._context = int(model.config.text_config.max_position_embeddings)

    def _traits(self, model: Any, processor: Any) -> Traits:
        return Traits(
            dim=int(model.config.projection_dim),
            image_size=int(model.config.vision_config.image_size),
            logit_scale=float(model.logit_scale.detach().float().exp()),
            preprocessing=processor.to_dict(),
            notes={},
            transparency=_transparency(processor),
        )

    def preprocess(self, image: Image) -> Tensor:
        """Resize and crop with the checkpoint's own image processor."""
        return self._processed(image, do_rescale=False, do_normalize=False).contiguous()

    def scaled_levels(self, ramp: Image) -> Tensor:
        """Scale and normalise with the checkpoint's own image processor."""
        return self._processed(ramp, do_resize=False, do_center_crop=False)

    def _processed(self, image: Image, **options: bool) -> Tensor:
        pixels: Tensor = self._processor(image, return_tensors="pt", **options)["pixel_values"][0]
        return pixels

    def image_features(self, pixels: Tensor) -> Tensor:
        """Embed (B, 3, H, W) inputs on the device as (B, d)."""
        pooled: Tensor = self._model.get_image_features(pixel_values=pixels).pooler_output
        return pooled

    def patch_features(self, pixels: Tensor) -> Tensor:
        """Embed patches as (B, P, d): the last tokens, normed and projected as the image is."""
        tokens = self._model.vision_model(pixel_values=pixels).last_hidden_state[:, 1:]
        normed = self._model.vision_model.post_layernorm(tokens)
        projected: Tensor = self._model.visual_projection(normed)
        return projected

    @property
    def special_tokens(self) -> Sequence[str]:
        """What the tokenizer reads as marks, such as the end of a text."""
        tokens: list[str] = self._tokenizer.all_special_tokens
        return tokens

    def clean(self, text: str) -> str:
        """Clean a text as the publisher does before the tokenizer reads it."""
        return self.cleaning(text)

    def tokens(self, texts: Sequence[str]) -> Tokens:
        """Tokenise as the publisher does, with as many columns as the longest text needs."""
        tokens = self._tokenizer(
            list(texts),
            padding=self.padding,
            truncation=True,
            max_length=self._context,
            return_tensors="pt",
        )
        return {name: tokens[name] for name in self.tokenizer_inputs}

    def text_features(self, tokens: Tokens) -> Tensor:
        """Embed tokens on the device as (B, d)."""
        pooled: Tensor = self._model.get_text_features(**tokens).pooler_output
        return pooled

    def truncated(self, texts: Sequence[str]) -> int:
        """Count the cleaned texts longer than the text encoder's context."""
        tokens = self._tokenizer(list(texts), truncation=False)["input_ids"]
        return sum(len(row) > self._context for row in tokens)


class MetaClip2Encoder(ClipEncoder):
    """MetaCLIP 2 (Chuang et al., arXiv:2507.22062), whose tokenizer reads texts as written."""

    cleaning = staticmethod(as_written)


class SiglipEncoder(ClipEncoder):
    """SigLIP (Zhai et al., arXiv:2303.15343) or SigLIP 2 of fixed size (arXiv:2502.14786).

    Texts are padded to the full context and not masked, as in training; the published SigLIP 2
    checkpoints name a tokenizer class that would keep upper case and punctuation. Their
    sigmoid loss has a bias beside the scale; it is the same for all classes, so that it changes
    neither their order nor their softmax, and is only recorded.
    """

    cleaning = staticmethod(siglip_text)
    padding = "max_length"
    tokenizer_inputs = ("input_ids",)

    def _traits(self, model: Any, processor: Any) -> Traits:
        return self._sized_traits(model, processor, int(model.config.vision_config.image_size))

    def _sized_traits(self, model: Any, processor: Any, side: int) -> Traits:
        return Traits(
            dim=int(model.config.vision_config.hidden_size),
            image_size=side,
            logit_scale=float(model.logit_scale.detach().float().exp()),
            preprocessing=processor.to_dict(),
            notes={"logit_bias": float(model.logit_bias.detach().float())},
            transparency=_transparency(processor),
        )

    def patch_features(self, pixels: Tensor) -> Tensor:
        """Embed patches as (B, P, d): each token through the pooling head by itself."""
        tokens = self._model.vision_model(pixel_values=pixels).last_hidden_state
        pooled: Tensor = self._model.vision_model.head(tokens.flatten(0, 1)[:, None])
        return pooled.reshape(*tokens.shape[:2], -1)


class NaflexEncoder(SiglipEncoder):
    """SigLIP 2 for images of any aspect ("NaFlex"), resized to at most so many patches.

    The input is the (P + 1, c) matrix of an image's P flattened patches, padded, above a row that
    starts with their numbers per column and row. There are no patch features, because
    the number of patches differs between images.
    """

    def _traits(self, model: Any, processor: Any) -> Traits:
        vision = model.config.vision_config
        side = math.isqrt(int(vision.num_patches)) * int(vision.patch_size)
        return self._sized_traits(model, processor, side)

    def preprocess(self, image: Image) -> Tensor:
        """Resize, normalise and cut into patches with the checkpoint's own image processor."""
        inputs = self._processor(image, return_tensors="pt")
        patches = inputs["pixel_values"][0].float()
        last = torch.zeros(1, patches.shape[1])
        last[0, :2] = inputs["spatial_shapes"][0]
        return torch.cat([patches, last])

    def image_features(self, pixels: Tensor) -> Tensor:
        """Embed (B, P + 1, c) inputs on the device as (B, d)."""
        shapes = pixels[:, -1, :2].long()
        patches = pixels[:, :-1]
        filled = torch.arange(patches.shape[1], device=pixels.device) < shapes.prod(1)[:, None]
        pooled: Tensor = self._model.get_image_features(
            pixel_values=patches.to(self._dtype),
            pixel_attention_mask=filled.long(),
            spatial_shapes=shapes,
        ).pooler_output
        return pooled

    def patch_features(self, pixels: Tensor) -> Tensor:
        """Refuse.

        Raises:
            InputError: always.
        """
        raise InputError(
            f"encoder model {self.name}: a NaFlex model has another number of patches for every "
            "image; leave `calip` out of `evaluation.methods`, or take a model of fixed size"
        )

    def scale(self, batch: Tensor) -> Tensor:
        """Leave the patches as they are: `preprocess` has normalised them."""
        return batch

    def _placed(self, batch: Tensor) -> Tensor:
        return batch.to(self._device)  # shapes are not exact in low precision


def _transparency(processor: Any) -> Literal["dropped", "white"]:
    """A processor that converts to RGB lays transparent pixels over white; others take only RGB."""
    return "white" if getattr(processor, "do_convert_rgb", None) else "dropped"


SAFETENSORS = ("model.safetensors", "model.safetensors.index.json")
"""Weights in one file, or where those in several are."""
PICKLED = "pytorch_model*.bin"
NORMALISATION = ("image_mean", "image_std")
OF_A_LAYER = re.compile(r"^(text|vision)_model\.encoder\.layers\.\d+\.")
"""Other weights that are not needed do no harm: positions, and heads for other tasks."""


class Family(NamedTuple):
    """Classes for one `model_type`: of the model, of its image processor, and ours.

    The first two are names, because transformers imports a class when it is asked for.
    """

    model: str
    processor: str
    encoder: type[ClipEncoder]


FAMILIES = {
    "clip": Family("CLIPModel", "CLIPImageProcessorPil", ClipEncoder),
    "metaclip_2": Family("MetaClip2Model", "CLIPImageProcessorPil", MetaClip2Encoder),
    "siglip": Family("SiglipModel", "SiglipImageProcessorPil", SiglipEncoder),
    "siglip2": Family("Siglip2Model", "Siglip2ImageProcessorPil", NaflexEncoder),
}


def load(settings: EncoderSettings) -> ClipEncoder:
    """Load a checkpoint by its `model_type`, without running code that it brings along.

    Raises:
        InputError: if the model is missing, gated, incomplete, or of another kind.
    """
    name = f"encoder model {settings.model}"
    transformers.utils.logging.disable_progress_bar()  # of weights, which load in seconds
    options = {"revision": settings.revision, "trust_remote_code": False}
    try:
        kind = AutoConfig.from_pretrained(settings.model, **options).model_type
        if kind not in FAMILIES:
            raise InputError(f'{name}: is a "{kind}" model; there are {listing(FAMILIES)}')
        family = FAMILIES[kind]
        model_class = getattr(transformers, family.model)
        processor_class = getattr(transformers, family.processor)
        model, report = model_class.from_pretrained(
            settings.model,
            dtype=torch.float32,
            use_safetensors=_has_safetensors(settings.model, settings.revision),
            weights_only=True,
            output_loading_info=True,
            **options,
        )
        tokenizer = AutoTokenizer.from_pretrained(settings.model, **options)
        processor = processor_class.from_pretrained(settings.model, **options)
        said, _ = processor_class.get_image_processor_dict(settings.model, **options)
    except InputError:
        raise
    except Exception as error:  # the library raises many kinds for missing and broken files
        if isinstance(error, ImportError) and "sentencepiece" in str(error).lower():
            raise InputError(
                f"{name}: its tokenizer needs the package sentencepiece: pip install 'susx[siglip]'"
            ) from None
        if "weights_only" in str(error):
            raise InputError(f"{name}: {NOT_DATA}") from None
        raise InputError(
            f"{name}: cannot be loaded with transformers: {load_failure(error, settings.model)}; "
            "give a folder that save_pretrained wrote, or a hub identifier"
        ) from None
    if report["missing_keys"]:
        raise InputError(
            f"{name}: weights are missing ({sorted(report['missing_keys'])[0]}, ...); it is not a "
            f"complete {kind} checkpoint"
        )
    lacking = [key for key in NORMALISATION if said.get(key) is None]
    if lacking and said.get("do_normalize", True):
        raise InputError(
            f"{name}: the configuration of its image processor lacks {listing(lacking)}, for which "
            "the library would take its own; write there what the model was trained with"
        )
    if surplus := sorted(filter(OF_A_LAYER.search, report["unexpected_keys"])):
        raise InputError(
            f"{name}: has weights of layers that its configuration does not count ({surplus[0]}, "
            "...); config.json is that of another model"
        )
    return family.encoder(settings, model, tokenizer, processor)


def _has_safetensors(model: str, revision: str | None) -> bool:
    """Whether weights are in the format that holds nothing but data; it is always preferred."""
    folder = Path(model)
    if folder.is_dir():
        return any(folder.glob("model*.safetensors")) or not any(folder.glob(PICKLED))
    for name in SAFETENSORS:
        try:
            hf_hub_download(model, name, revision=revision)
        except EntryNotFoundError:
            continue
        except Exception:  # whoever loads the model says what is wrong
            return True
        return True
    return False
