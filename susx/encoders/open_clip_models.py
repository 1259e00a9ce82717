"""Models of the open_clip library: its zoo on the hub, folders, checkpoint files and tags."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from susx.config.encoders import EncoderSettings
from susx.core.errors import InputError, listing, suggestion
from susx.encoders.base import Tokens, TorchEncoder, Traits
from susx.encoders.hub import NOT_DATA, folder_of, load_failure
from susx.encoders.model_files import normalisation_problem
from susx.encoders.openai_files import openai_weights
from susx.encoders.texts import as_written

if TYPE_CHECKING:
    from PIL.Image import Image

CONFIGURATION = "open_clip_config.json"
PREPROCESSING = ("mean", "std", "interpolation", "resize_mode")
SCALING = 2  # to a tensor, and normalised: how every transformation of open_clip ends
TOKENIZERS = ("*.json", "*.txt", "*.model")
WEIGHTS = ("open_clip*.safetensors", "open_clip_pytorch_model.bin")  # in order of preference


class CheckpointSource(NamedTuple):
    """How open_clip is asked for a model.

    Attributes:
        name: its name for the architecture, or for a folder.
        pretrained: tag or file.
        weights: tensors by name, in place of a file that it cannot read.
        quick_gelu: whether the activation is that, whatever the architecture says.
        preprocessing: what is done to images, where the library does not know.
    """

    name: str
    pretrained: str | None = None
    weights: Mapping[str, Tensor] | None = None
    quick_gelu: bool = False
    preprocessing: Mapping[str, Any] = {}


class OpenClipEncoder(TorchEncoder):
    """An open_clip model; texts are padded to its context, as its tokenizers do."""

    def __init__(
        self, settings: EncoderSettings, model: Any, tokenizer: Any, transform: Any, dim: int
    ) -> None:
        size = model.visual.image_size
        bias = getattr(model, "logit_bias", None)
        notes: dict[str, Any] = {
            "open_clip": version("open_clip_torch"),
            "architecture": settings.architecture,
        }
        if bias is not None:
            notes["logit_bias"] = float(bias.detach().float())
        traits = Traits(
            dim=dim,
            image_size=int(size if isinstance(size, int) else size[0]),
            logit_scale=float(model.logit_scale.detach().float().exp()),
            preprocessing={
                key: list(value) if isinstance(value, tuple) else value
                for key, value in model.visual.preprocess_cfg.items()
            },
            notes=notes,
        )
        super().__init__(settings, model, traits)
        self._clean: Callable[[str], str] = getattr(tokenizer, "clean_fn", as_written)
        tokenizer.clean_fn = as_written  # cleaning twice would resolve entities twice as often
        self._tokenizer = tokenizer
        self._transform = transform
        self._context = int(tokenizer.context_length)

    def preprocess(self, image: Image) -> Tensor:
        """Resize and crop as the checkpoint's own transformation does, without augmentation."""
        for step in self._transform.transforms[:-SCALING]:
            image = step(image)
        return torch.from_numpy(np.array(image)).permute(2, 0, 1)

    def scaled_levels(self, ramp: Image) -> Tensor:
        """Scale and normalise as the checkpoint's own transformation does."""
        pixels: Any = ramp
        for step in self._transform.transforms[-SCALING:]:
            pixels = step(pixels)
        return torch.as_tensor(pixels)

    def image_features(self, pixels: Tensor) -> Tensor:
        """Embed (B, 3, H, W) inputs on the device as (B, d)."""
        features: Tensor = self._model.encode_image(pixels, normalize=False)
        return features

    def patch_features(self, pixels: Tensor) -> Tensor:
        """Embed patches as (B, P, d): tokens of a ViT, or of a ResNet's attention pool.

        Raises:
            InputError: if the architecture has no tokens that are projected as the image is.
        """
        visual = self._model.visual
        if hasattr(visual, "attnpool"):
            (maps,) = visual.forward_intermediates(pixels, indices=1, intermediates_only=True)[
                "image_intermediates"
            ]
            return pooled_tokens(visual.attnpool, maps)
        if hasattr(visual, "ln_post") and visual.attn_pool is None:
            (tokens,) = visual.forward_intermediates(
                pixels,
                indices=1,
                normalize_intermediates=True,
                intermediates_only=True,
                output_fmt="NLC",
            )["image_intermediates"]
            projected: Tensor = tokens if visual.proj is None else tokens @ visual.proj
            return projected
        raise InputError(
            f"encoder model {self.name}: its vision tower ({type(visual).__name__}) has no patch "
            "tokens in the joint space; leave `calip` out of `evaluation.methods`"
        )

    @property
    def special_tokens(self) -> Sequence[str]:
        """What the tokenizer reads as marks, such as the end of a text."""
        wrapped = getattr(self._tokenizer, "tokenizer", None)  # of transformers, where it is one
        if wrapped is not None:
            tokens: list[str] = wrapped.all_special_tokens
            return tokens
        return [self._tokenizer.decoder[token] for token in self._tokenizer.all_special_ids]

    def clean(self, text: str) -> str:
        """Clean a text as open_clip's tokenizer does by itself."""
        return self._clean(text)

    def tokens(self, texts: Sequence[str]) -> Tokens:
        """Tokenise, with as many columns as the context."""
        return {"text": self._tokenizer(list(texts))}

    def text_features(self, tokens: Tokens) -> Tensor:
        """Embed tokens on the device as (B, d)."""
        features: Tensor = self._model.encode_text(tokens["text"], normalize=False)
        return features

    def truncated(self, texts: Sequence[str]) -> int:
        """Count the cleaned texts that read otherwise in a context one token longer."""
        cut = self._tokenizer(list(texts))
        longer = self._tokenizer(list(texts), context_length=self._context + 1)
        return int((longer[:, : self._context] != cut).any(dim=1).sum())


def pooled_tokens(pool: Any, maps: Tensor) -> Tensor:
    """Let every position of (B, c, h, w) maps ask CLIP's attention pool, as (B, h * w, d).

    The pool itself only lets the mean ask; the answers of the positions are CALIP's spatial
    features (Guo et al., arXiv:2209.14169).
    """
    positions = maps.flatten(2).transpose(1, 2)
    context = torch.cat([positions.mean(dim=1, keepdim=True), positions], dim=1)
    context = context + pool.positional_embedding.to(context.dtype)

    def heads(rows: Tensor) -> Tensor:
        return rows.reshape(*rows.shape[:2], pool.num_heads, -1).transpose(1, 2)

    queries, keys = heads(pool.q_proj(context[:, 1:])), heads(pool.k_proj(context))
    answers = scaled_dot_product_attention(queries, keys, heads(pool.v_proj(context)))
    projected: Tensor = pool.c_proj(answers.transpose(1, 2).flatten(2))
    return projected


def load(settings: EncoderSettings) -> OpenClipEncoder:
    """Load an open_clip model.

    Raises:
        InputError: if the library or the model is missing, gated, broken or unknown.
    """
    open_clip = _library()
    source = _source(settings, open_clip)
    try:
        config = open_clip.get_model_config(source.name)
        _refuse_code(config, settings.model)
        model, transform = _created(source, open_clip)
        tokenizer = open_clip.get_tokenizer(source.name)
    except InputError:
        raise
    except Exception as error:  # the library raises many kinds for missing and broken files
        if "weights_only" in str(error):
            raise InputError(f"encoder model {settings.model}: {NOT_DATA}") from None
        raise InputError(
            f"encoder model {settings.model}: cannot be loaded with open_clip: "
            f"{load_failure(error, settings.model)}"
        ) from None
    return OpenClipEncoder(settings, model, tokenizer, transform, int(config["embed_dim"]))


def _created(source: CheckpointSource, open_clip: Any) -> tuple[Any, Any]:
    """Model and transformation of images."""
    if source.weights is None:
        options = {f"image_{key}": value for key, value in source.preprocessing.items()}
        made: tuple[Any, Any] = open_clip.create_model_from_pretrained(
            source.name,
            pretrained=source.pretrained,
            force_quick_gelu=source.quick_gelu,
            weights_only=True,
            **options,
        )
        return made
    model = open_clip.create_model(
        source.name,
        force_quick_gelu=source.quick_gelu,
        force_preprocess_cfg=source.preprocessing,
        pretrained_text=False,
    )
    model.load_state_dict(source.weights)
    steps = open_clip.transform
    config = steps.PreprocessCfg(**model.visual.preprocess_cfg)
    return model, steps.image_transform_v2(config, is_train=False)


def _library() -> Any:
    try:
        return import_module("open_clip")
    except ModuleNotFoundError as error:
        raise InputError(
            f"encoder library open-clip: {error.name} is not installed: "
            "pip install 'susx[open-clip]'"
        ) from None
    except RuntimeError as error:  # torchvision of another build of torch
        raise InputError(
            f"encoder library open-clip: cannot be imported ({error}); install the torchvision "
            f"that was built for torch {torch.__version__}"
        ) from None


def _source(settings: EncoderSettings, open_clip: Any) -> CheckpointSource:
    name, architecture = settings.model, settings.architecture
    if architecture is None:
        folder = _folder(name, settings.revision)
        if problem := normalisation_problem(folder):
            raise InputError(f"encoder model {name}: {problem}")
        return CheckpointSource(f"local-dir:{folder}")
    if architecture not in open_clip.list_models():
        raise InputError(
            f'encoder model {name}: open_clip knows no architecture "{architecture}"'
            f"{suggestion(architecture, open_clip.list_models())}"
        )
    if settings.revision is not None:
        raise InputError(
            f"encoder model {name}: files and tags have no revision; remove `revision`, or name a "
            "hub model in place of `architecture`"
        )
    if Path(name).is_file():
        return _file(name, architecture, open_clip)
    tag = open_clip.get_pretrained_cfg(architecture, name)
    if not tag:
        tags = open_clip.list_pretrained_tags_by_model(architecture)
        raise InputError(
            f"encoder model {name}: neither a file nor a tag of {architecture}; its tags are "
            f"{listing(tags, 20)}"
        )
    # The library only warns where weights of a tag were trained with another activation.
    return CheckpointSource(architecture, name, quick_gelu=bool(tag.get("quick_gelu")))


def _file(path: str, architecture: str, open_clip: Any) -> CheckpointSource:
    """A checkpoint file, whose preprocessing is that of the architecture's published weights."""
    weights, said = openai_weights(path), preprocessing(architecture, open_clip)
    if weights is None:
        return CheckpointSource(architecture, path, preprocessing=said)
    # OpenAI trained all of its models with that activation.
    return CheckpointSource(architecture, weights=weights, quick_gelu=True, preprocessing=said)


def preprocessing(architecture: str, open_clip: Any) -> dict[str, Any]:
    """What all tags of an architecture do to images; OpenAI's, if there are none or they differ."""
    tags = open_clip.list_pretrained_tags_by_model(architecture)
    known = [open_clip.get_pretrained_cfg(architecture, tag) for tag in tags]
    said = [{key: tag[key] for key in PREPROCESSING if key in tag} for tag in known]
    return dict(said[0]) if said and all(one == said[0] for one in said) else {}


def _folder(model: str, revision: str | None) -> Path:
    if Path(model).is_dir():
        return Path(model)
    owner_and_name = model.removeprefix("hf-hub:")
    for weights in WEIGHTS:
        folder = folder_of(owner_and_name, revision, [*TOKENIZERS, weights])
        if list(folder.glob(weights)):
            return folder
    raise InputError(
        f"encoder model {model}: has no weights of open_clip ({listing(WEIGHTS)}); is it a model "
        "of `library: transformers`?"
    )


def _refuse_code(config: Any, model: str) -> None:
    """Refuse a configuration that asks, anywhere, for code of a repository to be run."""
    if isinstance(config, dict):
        if config.get("trust_remote_code"):
            raise InputError(
                f"encoder model {model}: {CONFIGURATION} asks for `trust_remote_code`, which is "
                "never granted; remove it there if the model works without"
            )
        config = list(config.values())
    if isinstance(config, list):
        for value in config:
            _refuse_code(value, model)
