"""OpenAI's checkpoint files: TorchScript archives, whose code is not run, and plain weights."""

from __future__ import annotations

import io
import math
import pickle
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from susx.core.errors import InputError

EXTRA = {"input_resolution", "context_length", "vocab_size"}
"""What OpenAI's weights hold besides those of the model: sizes, which an architecture tells."""
RECORD = "data.pkl"
MARK = "constants.pkl"
"""What a TorchScript archive has beside its record, and a file of `torch.save` has not."""
LARGEST = 2**24
"""Bytes of a record: a tensor takes about a hundred, and the largest CLIP has a thousand."""
DTYPES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "BoolStorage": torch.bool,
}


def openai_weights(path: str | Path) -> dict[str, Tensor] | None:
    """Read the weights of a file in one of OpenAI's formats, as data only.

    Returns:
        Tensors by name, without the sizes that OpenAI adds, or None if it is of another format.

    Raises:
        InputError: if it is a TorchScript archive that is broken or holds anything but modules.
    """
    if not zipfile.is_zipfile(path):
        return None
    with zipfile.ZipFile(path) as archive:
        if any(name.endswith(f"/{MARK}") for name in archive.namelist()):
            return _scripted(archive, path)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception:  # whoever reads the other formats says what is wrong
        return None
    if not isinstance(content, dict):
        return None
    weights = content.get("state_dict", content)
    if not isinstance(weights, dict) or not set(weights) >= EXTRA:
        return None
    return {name: value for name, value in weights.items() if name not in EXTRA}


def _scripted(archive: zipfile.ZipFile, path: str | Path) -> dict[str, Tensor]:
    try:
        content = _Record(archive, Path(path).stat().st_size).load()
        weights = dict(_named(content, "", set()))
    except Exception as error:  # broken archives and records raise nearly anything
        raise InputError(
            f"encoder model {path}: a TorchScript archive that cannot be read as data only "
            f"({type(error).__name__}: {error}); fetch it again, or take safetensors"
        ) from None
    return {name: value for name, value in weights.items() if name not in EXTRA}


class _Module:
    """Stands for every class of an archive: takes the attributes, and runs none of its code."""

    attributes: Mapping[str, Any]

    def __setstate__(self, state: Any) -> None:
        self.attributes = state if isinstance(state, dict) else {}


def _first(value: Any, *_: Any) -> Any:
    """What a list or a value with a type stands for."""
    return value


class _Record(pickle.Unpickler):
    """Reads what an archive says of its modules; nothing that it names is ever called.

    Args:
        archive: TorchScript archive.
        size: of its file, in bytes, which tensors together cannot exceed.
    """

    def __init__(self, archive: zipfile.ZipFile, size: int) -> None:
        place = next(name for name in archive.namelist() if name.endswith(f"/{RECORD}"))
        super().__init__(io.BytesIO(_bytes(archive, place, LARGEST)))
        self._archive, self._left, self._folder = archive, size, place.removesuffix(RECORD)
        self._storages: dict[str, Tensor] = {}

    def find_class(self, module: str, name: str) -> Any:
        if module.split(".")[0] == "__torch__":
            return _Module
        if module == "torch" and name in DTYPES:
            return DTYPES[name]
        if module == "torch.jit._pickle":
            return _first
        known = {
            ("torch._utils", "_rebuild_tensor_v2"): _tensor,
            ("collections", "OrderedDict"): dict,
        }
        if (module, name) not in known:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return known[module, name]

    def persistent_load(self, pid: Any) -> Tensor:
        match pid:
            case ("storage", torch.dtype() as dtype, str() as key, str(), int() as length):
                if key not in self._storages:
                    data = _bytes(self._archive, f"{self._folder}data/{key}", self._left)
                    self._left -= len(data)
                    flat = torch.frombuffer(bytearray(data), dtype=torch.uint8)
                    self._storages[key] = flat.view(dtype)[:length]
                return self._storages[key]
        raise pickle.UnpicklingError("a tensor of an unknown kind")


def _bytes(archive: zipfile.ZipFile, name: str, most: int) -> bytes:
    info = archive.getinfo(name)
    if info.compress_type != zipfile.ZIP_STORED or info.file_size > most:
        raise ValueError(f"{name} is compressed, or larger than it can be")
    return archive.read(info)


def _tensor(storage: Tensor, offset: int, size: Any, stride: Any, *_: Any) -> Tensor:
    if math.prod(size) > storage.numel():
        raise ValueError("a tensor is larger than what it is stored in")
    return torch.as_strided(storage, size, stride, offset).clone()


def _named(module: Any, prefix: str, seen: set[int]) -> Iterator[tuple[str, Tensor]]:
    """Tensors of a module and of those in it, by the names that its state has."""
    if not isinstance(module, _Module) or id(module) in seen:
        raise ValueError("it is no tree of modules")
    seen.add(id(module))
    for name, value in module.attributes.items():
        if isinstance(value, Tensor):
            yield f"{prefix}{name}", value
        elif isinstance(value, _Module):
            yield from _named(value, f"{prefix}{name}.", seen)
