"""What the contract suite has to know of a thing to hold it to its contract.

A package that brings a thing brings its case along, as an entry point of the same name.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from PIL import Image
from torch import Tensor

from susx.config.sources import Split
from susx.core.registry import Registry

T = TypeVar("T")


@dataclass(frozen=True)
class Reference:
    """Pixels and raw features by the library's own means."""

    pixels: Tensor
    images: Tensor
    patches: Tensor
    texts: Tensor


@dataclass(frozen=True)
class EncoderCase:
    """A kind of checkpoint.

    Attributes:
        library: entry of the registry.
        save: writes a checkpoint into a folder and returns what the configuration says of it.
        reference: features of images and texts by the library's own means.
        dim: dimension of the joint space.
        image_size: side of the input.
        patches: patches per image.
        logit_scale: factor on cosines.
        fits: how many repetitions of `unit` are the longest text that is not cut.
        resize: `crop` keeps the aspect and crops the centre, `squash` does neither.
        mean: of the normalisation.
        std: of the normalisation.
        unit: what takes one token.
        mark: a special token of its tokenizer.
        image_terms: terms that are added up between a pixel and a feature, over all layers.
        text_terms: the same between a token and a feature.
    """

    library: str
    save: Callable[[Path], dict[str, Any]]
    reference: Callable[[dict[str, Any], list[Image.Image], list[str]], Reference]
    dim: int
    image_size: int
    patches: int
    logit_scale: float
    fits: int
    image_terms: int
    text_terms: int
    resize: str = "crop"
    mean: tuple[float, ...] = (0.5, 0.5, 0.5)
    std: tuple[float, ...] = (0.25, 0.25, 0.25)
    unit: str = "x"
    mark: str = "[EOS]"


@dataclass(frozen=True)
class LayoutCase:
    """A layout of datasets.

    Attributes:
        write: writes images of splits, each a class name and a PNG of 32 x 32 pixels, into a
            folder, and returns what the source of a card says, but for its `name` and `layout`.
    """

    write: Callable[[Path, Mapping[Split, Sequence[tuple[str, bytes]]]], dict[str, Any]]


@dataclass(frozen=True)
class PoolCase:
    """A layout of pools.

    Attributes:
        write: writes PNGs and their captions into a folder, and returns the section of the
            configuration, but for its `layout`.
    """

    write: Callable[[Path, Sequence[tuple[bytes, str]]], dict[str, Any]]


@dataclass(frozen=True)
class LanguageModelCase:
    """A backend of language models.

    Attributes:
        model: context in which a model can be asked, from a folder to its section of the
            configuration, but for its `backend`.
    """

    model: Callable[[Path], AbstractContextManager[dict[str, Any]]]


def added(kind: str, case: type[T]) -> dict[str, T]:
    """Cases that installed packages bring, by name: entry points of `susx.{kind}_cases`."""
    found: Registry[T] = Registry(f"case of the contract suite: {kind}", f"susx.{kind}_cases", {})
    assert all(isinstance(value, case) for value in found.values())
    return dict(found)
