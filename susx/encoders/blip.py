"""BLIP and TCL as dual encoders: the contrastive heads of their published checkpoints.

BLIP: Li et al., arXiv:2201.12086. TCL: Yang et al., arXiv:2202.10401. Both are a ViT of timm's
layout, a BERT, and one linear projection each into the joint space.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL.Image import Resampling
from torch import Tensor
from transformers import BertTokenizer

from susx.config.encoders import TOKENIZER, EncoderSettings
from susx.core.errors import InputError
from susx.encoders.base import Tokens, TorchEncoder, Traits
from susx.encoders.blip_weights import dual_encoder, read_checkpoint
from susx.encoders.hub import load_failure

if TYPE_CHECKING:
    from PIL.Image import Image

MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)
MAX_WORDS = 30


@dataclass(frozen=True)
class Format:
    """What a publisher's code does before and around the weights.

    Attributes:
        library: its name in the configuration.
        text_layers: layers of the text branch, from the bottom; None for all.
        token_types: whether the text embeddings have token types.
        max_tokens: context of the text, with its two special tokens.
        erased: characters that are deleted from texts.
        spaced: characters that become spaces.
        renamed: a word that training captions have in angle brackets, and what it becomes.
    """

    library: str
    text_layers: int | None
    token_types: bool
    max_tokens: int
    erased: str
    spaced: str
    renamed: tuple[str, str] = ("", "")

    def clean(self, text: str) -> list[str]:
        """Return the words of a text as its publisher prepares captions, uncut."""
        table = str.maketrans(self.spaced, " " * len(self.spaced), self.erased)
        return text.lower().translate(table).replace(*self.renamed).split()


BLIP = Format("blip", None, False, 35, erased="", spaced='.!"()*#:;~')
TCL = Format(
    *("tcl", 6, True, 30), erased=",.'!?\"()*#:;~", spaced="-/", renamed=("<person>", "person")
)


class DualEncoder(TorchEncoder):
    """Towers and projections of a BLIP or TCL checkpoint."""

    def __init__(
        self,
        settings: EncoderSettings,
        form: Format,
        model: Any,
        tokenizer: Any,
        temperature: float,
        notes: Mapping[str, str],
    ) -> None:
        side = int(model["vision"].config.image_size)
        traits = Traits(
            dim=int(model["vision_proj"].weight.shape[0]),
            image_size=side,
            logit_scale=1 / temperature,
            preprocessing={
                "size": [side, side],
                "resample": "bicubic",
                "image_mean": list(MEAN),
                "image_std": list(STD),
            },
            notes={"vocabulary_sha256": _vocabulary_sha256(tokenizer), **notes},
        )
        super().__init__(settings, model, traits)
        self._form = form
        self._tokenizer = tokenizer

    def preprocess(self, image: Image) -> Tensor:
        """Resize to a square without cropping, as both publishers do."""
        side = (self.image_size, self.image_size)
        resized = image.resize(side, Resampling.BICUBIC)
        return torch.from_numpy(np.array(resized)).permute(2, 0, 1).contiguous()

    def scaled_levels(self, ramp: Image) -> Tensor:
        """Scale to 1 and normalise, as both publishers do."""
        scaled = torch.from_numpy(np.array(ramp)).permute(2, 0, 1).float().div(255)
        return (scaled - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]

    def image_features(self, pixels: Tensor) -> Tensor:
        """Embed (B, 3, H, W) inputs on the device as (B, d)."""
        features: Tensor = self._model["vision_proj"](self._hidden(pixels)[:, 0])
        return features

    def patch_features(self, pixels: Tensor) -> Tensor:
        """Embed patches as (B, P, d): the last tokens, normed and projected as the image is."""
        features: Tensor = self._model["vision_proj"](self._hidden(pixels)[:, 1:])
        return features

    def _hidden(self, pixels: Tensor) -> Tensor:
        hidden: Tensor = self._model["vision"](pixel_values=pixels).last_hidden_state
        return hidden

    @property
    def special_tokens(self) -> Sequence[str]:
        """What the tokenizer reads as marks, such as the end of a text."""
        tokens: list[str] = self._tokenizer.all_special_tokens
        return tokens

    def clean(self, text: str) -> str:
        """Clean a text as the publisher does captions, uncut."""
        return " ".join(self._form.clean(text))

    def tokens(self, texts: Sequence[str]) -> Tokens:
        """Tokenise, with as many columns as the longest text needs."""
        tokens = self._tokenizer(
            [" ".join(text.split()[:MAX_WORDS]) for text in texts],
            padding=True,
            truncation=True,
            max_length=self._form.max_tokens,
            return_tensors="pt",
        )
        return {name: tokens[name] for name in ("input_ids", "attention_mask")}

    def text_features(self, tokens: Tokens) -> Tensor:
        """Embed tokens on the device as (B, d)."""
        hidden = self._model["text"](**tokens).last_hidden_state
        features: Tensor = self._model["text_proj"](hidden[:, 0])
        return features

    def truncated(self, texts: Sequence[str]) -> int:
        """Count the cleaned texts with too many words or tokens."""
        tokens = self._tokenizer(list(texts), truncation=False)["input_ids"]
        return sum(
            len(text.split()) > MAX_WORDS or len(ids) > self._form.max_tokens
            for text, ids in zip(texts, tokens, strict=True)
        )


def load_blip(settings: EncoderSettings) -> DualEncoder:
    """Load a BLIP checkpoint.

    Raises:
        InputError: if the model is missing, gated, incomplete, unsafe or of another kind.
    """
    return _load(settings, BLIP)


def load_tcl(settings: EncoderSettings) -> DualEncoder:
    """Load a TCL checkpoint: its text branch is the lower half of its BERT.

    Raises:
        InputError: as for BLIP.
    """
    return _load(settings, TCL)


def _load(settings: EncoderSettings, form: Format) -> DualEncoder:
    checkpoint = read_checkpoint(settings.model, settings.revision)
    name = f"encoder model {checkpoint.name}"
    if any("token_type_embeddings" in key for key in checkpoint.tensors) != form.token_types:
        other = "tcl" if form is BLIP else "blip"
        raise InputError(
            f"{name}: is not a checkpoint of `library: {form.library}`: of the two formats only "
            f"TCL's has token types; try `library: {other}`"
        )
    model: Any = dual_encoder(checkpoint, settings.image_size, form.text_layers)
    temp = checkpoint.tensors.get("temp", torch.zeros(0))
    if temp.numel() != 1:
        raise checkpoint.lacks("temp")
    temperature = float(temp)
    if not temperature > 0:
        raise InputError(f"{name}: `temp` is {temperature:g}, but a temperature is positive")
    vocabulary = model["text"].config.vocab_size
    tokenizer = _load_tokenizer(settings.tokenizer or TOKENIZER, vocabulary)
    return DualEncoder(settings, form, model, tokenizer, temperature, checkpoint.notes)


def _load_tokenizer(source: str, vocabulary: int) -> Any:
    """Load the tokenizer of bert-base-uncased; checkpoints may have two tokens more."""
    try:
        tokenizer = BertTokenizer.from_pretrained(source)
    except Exception as error:  # the library raises many kinds for missing and broken files
        raise InputError(
            f"encoder tokenizer {source}: cannot be loaded: {load_failure(error, source)}; set "
            "`tokenizer` to a folder with bert-base-uncased's vocabulary"
        ) from None
    if not vocabulary - 2 <= len(tokenizer) <= vocabulary:
        raise InputError(
            f"encoder tokenizer {source}: has {len(tokenizer)} tokens, but the model {vocabulary}; "
            "set `tokenizer` to a folder with bert-base-uncased's vocabulary"
        )
    return tokenizer


def _vocabulary_sha256(tokenizer: Any) -> str:
    entries = json.dumps(sorted(tokenizer.get_vocab().items())).encode()
    return hashlib.sha256(entries).hexdigest()
