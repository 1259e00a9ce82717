"""open_clip where the installed torchvision, if any, was not built for the installed torch.

open_clip needs four transformations of torchvision, all of PIL images here. They are given to it
under torchvision's name while it is imported, and only then: other libraries must not see them.
timm needs far more and is hidden from open_clip meanwhile, which then does without.
"""

import importlib.util
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
import transformers  # noqa: F401 -- it looks for torchvision when it is imported
from PIL import Image
from torch import Tensor

Resampling = Image.Resampling


class InterpolationMode:
    BILINEAR, BICUBIC = Resampling.BILINEAR, Resampling.BICUBIC


class Compose:
    def __init__(self, transforms: list[Callable[[Any], Any]]) -> None:
        self.transforms = transforms

    def __call__(self, image: Any) -> Any:
        for transform in self.transforms:
            image = transform(image)
        return image


class Resize:
    """To a size, or to a shortest side."""

    def __init__(self, size: int | tuple[int, int], interpolation: Resampling) -> None:
        self.size, self.interpolation = size, interpolation

    def __call__(self, image: Image.Image) -> Image.Image:
        if isinstance(self.size, int):
            short, long = sorted(image.size)
            longer = int(self.size * long / short)
            wide = image.size[0] > image.size[1]
            size = (longer, self.size) if wide else (self.size, longer)
        else:
            size = (self.size[1], self.size[0])
        return image.resize(size, self.interpolation)


class CenterCrop:
    def __init__(self, size: tuple[int, int]) -> None:
        self.height, self.width = size

    def __call__(self, image: Image.Image) -> Image.Image:
        left = round((image.width - self.width) / 2)
        top = round((image.height - self.height) / 2)
        return image.crop((left, top, left + self.width, top + self.height))


def to_tensor(image: Image.Image) -> Tensor:
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous().float().div(255)


class Normalize:
    def __init__(self, mean: list[float], std: list[float]) -> None:
        self.mean, self.std = (torch.tensor(values)[:, None, None] for values in (mean, std))

    def __call__(self, pixels: Tensor) -> Tensor:
        return (pixels - self.mean) / self.std


def _modules() -> dict[str, ModuleType]:
    names = ("", ".transforms", ".transforms.functional", ".ops", ".ops.misc")
    modules = {f"torchvision{name}": ModuleType(f"torchvision{name}") for name in names}
    used = (InterpolationMode, Compose, Resize, CenterCrop, Normalize)
    unused = ("ToTensor", "RandomResizedCrop", "ColorJitter", "Grayscale")
    vars(modules["torchvision.transforms"]).update({kind.__name__: kind for kind in used})
    vars(modules["torchvision.transforms"]).update(dict.fromkeys(unused, object))
    vars(modules["torchvision.ops.misc"])["FrozenBatchNorm2d"] = torch.nn.Module
    vars(modules["torchvision"])["transforms"] = modules["torchvision.transforms"]
    functional = modules["torchvision.transforms.functional"]
    vars(functional)["to_tensor"] = to_tensor
    vars(modules["torchvision.transforms"])["functional"] = functional
    return modules


@contextmanager
def stand_in() -> Iterator[None]:
    """Give the stand-in torchvision's name, and take it back."""
    hidden = {**_modules(), "timm": None}
    before = {name: sys.modules.pop(name, None) for name in hidden}
    sys.modules.update(hidden)  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name, module in before.items():
            del sys.modules[name]
            if module is not None:
                sys.modules[name] = module


def import_open_clip() -> ModuleType:
    """Import open_clip, with the stand-in if it must be; skip the test if it is not installed."""
    if "open_clip" in sys.modules:
        return sys.modules["open_clip"]
    if importlib.util.find_spec("open_clip") is None:
        pytest.skip("open_clip is not installed")
    try:
        import open_clip
    except (RuntimeError, ModuleNotFoundError):
        for name in [n for n in sys.modules if n.split(".")[0] in {"open_clip", "torchvision"}]:
            del sys.modules[name]
        with stand_in():
            import open_clip
    return open_clip
