"""CIFAR's archives: pickles of pixels and labels, read without running what they ask for."""

from __future__ import annotations

import io
import pickle
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from susx.config.sources import Split
from susx.core.errors import InputError
from susx.datasets.layouts.base import Layout
from susx.datasets.naming import class_indices
from susx.images.listing import ListedImage, Listing
from susx.manifests.classes import ClassManifest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SIDE = 32
IN_BATCH = re.compile(r"(.+)#(\d+)")


@dataclass(frozen=True)
class CifarBatch:
    """Pixels (N, 3, 32, 32) as uint8, and N labels."""

    pixels: NDArray[np.uint8]
    labels: list[int]


class _Bytes:
    """Stands for numpy's type of single bytes, the only one that batches have."""

    def __init__(self, *arguments: Any) -> None:
        if not arguments or arguments[0] not in ("u1", b"u1", "|u1", b"|u1"):
            raise pickle.UnpicklingError("an array of another type than bytes")

    def __setstate__(self, state: Any) -> None:
        """Byte order and the like; single bytes have none."""


class _Array:
    """Stands for numpy's array: takes its shape and bytes, and calls nothing of numpy."""

    pixels: NDArray[np.uint8] | None = None

    def __setstate__(self, state: Any) -> None:
        match state:
            case (_, tuple() as shape, _Bytes(), fortran, bytes() as data):
                import numpy as np  # which planning does without

                flat = np.frombuffer(data, np.uint8)
                self.pixels = flat.reshape(shape, order="F" if fortran else "C")
            case _:
                raise pickle.UnpicklingError("an array without bytes")


def _reconstruct(*arguments: Any) -> _Array:
    if arguments[:1] != (_Array,):
        raise pickle.UnpicklingError("an array of another class")
    return _Array()


def _encode(text: Any, encoding: Any) -> bytes:
    if not isinstance(text, str) or encoding not in ("latin1", b"latin1"):
        raise pickle.UnpicklingError("bytes in an unknown encoding")
    return text.encode("latin-1")


ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Bytes,
    ("_codecs", "encode"): _encode,
}
"""All that a batch may name; each is replaced by code of this module."""


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is not allowed")
        return ALLOWED[module, name]


def read_pickle(path: str | Path) -> dict[str, Any]:
    """Read a pickled dict of plain values and byte arrays; nothing that it names is ever called.

    Raises:
        InputError: if the file is missing, is not such a pickle, or names anything else.
    """
    try:
        data = _Unpickler(io.BytesIO(Path(path).read_bytes()), encoding="bytes").load()
    except (FileNotFoundError, IsADirectoryError):
        raise InputError(f"{path}: file not found; unpack CIFAR's archive there") from None
    except Exception as error:  # broken pickles raise nearly anything
        raise InputError(f"{path}: not a file of CIFAR's archive: {error}") from None
    if not isinstance(data, dict):
        raise InputError(f"{path}: not a file of CIFAR's archive: no dict")
    return {_text(key): value for key, value in data.items()}


def read_batch(path: str | Path) -> CifarBatch:
    """Read pixels and labels; those of CIFAR-100 are its fine ones. The last files stay in memory.

    Raises:
        InputError: if the file is missing or broken.
    """
    try:
        state = Path(path).stat()
    except FileNotFoundError:
        raise InputError(f"{path}: file not found; unpack CIFAR's archive there") from None
    return _batch(str(path), state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=2)
def _batch(path: str, _time: int, _size: int) -> CifarBatch:
    data = read_pickle(path)
    labels = data.get("fine_labels", data.get("labels"))
    array = data.get("data")
    pixels = array.pixels if isinstance(array, _Array) else None
    if pixels is None or pixels.ndim != 2 or pixels.shape[1] != 3 * SIDE**2:
        raise InputError(f"{path}: `data` is not an array of {3 * SIDE**2} bytes per image")
    if not isinstance(labels, list) or not all(type(label) is int for label in labels):
        raise InputError(f"{path}: `labels` or `fine_labels` is not a list of numbers")
    if len(labels) != len(pixels):
        raise InputError(f"{path}: {len(pixels)} images, but {len(labels)} labels")
    return CifarBatch(pixels.reshape(-1, 3, SIDE, SIDE), labels)


def image_row(path: str | Path, row: int) -> bytes:
    """One image of a batch, encoded as PPM, which every machine writes alike.

    Raises:
        InputError: if the file is missing or broken, or has no such row.
    """
    pixels = read_batch(path).pixels
    if not 0 <= row < len(pixels):
        raise InputError(f"{path}: has no image {row}")
    channels_last: bytes = pixels[row].transpose(1, 2, 0).tobytes()
    return f"P6 {SIDE} {SIDE} 255\n".encode() + channels_last


class CifarBatches(Layout):
    """Python pickles of pixels and labels, and one with the class names."""

    layout: Literal["cifar"] = Field(description="Kind of layout.")
    splits: dict[Split, list[str]] = Field(min_length=1, description="Files of every split.")
    meta: str = Field(description="File with the class names.")

    def labelled_images(
        self, base: Path, split: Split, classes: ClassManifest, origin: str
    ) -> Listing:
        """List the images of a split; the archive's own class names say which label is which class.

        Raises:
            InputError: if a file is missing or broken, or a name is that of no class.
        """
        meta = read_pickle(base / self.meta)
        names = meta.get("fine_label_names", meta.get("label_names"))
        if not isinstance(names, list) or not all(isinstance(name, str | bytes) for name in names):
            raise InputError(f"{base / self.meta}: no list of class names")
        named = [_text(name) for name in names]
        indices = class_indices(classes, named, self, f"{origin}: {base / self.meta}")
        images = []
        for name in self.splits[split]:
            path = base / name
            for row, label in enumerate(read_batch(path).labels):
                if not 0 <= label < len(named):
                    raise InputError(f"{path}: image {row} has label {label}, which has no name")
                key = f"{name}/{row:05d}"
                images.append(ListedImage(key, f"{path}#{row}", indices[named[label]]))
        used = {image.label for image in images}
        absent = [c.name for c in classes if c.index not in used]
        return Listing(
            sorted(images, key=lambda image: image.label),
            {"folder": str(base), "n_other_files": 0, "classes_without_images": absent},
        )

    def marks(self) -> list[str]:
        """The file with the class names."""
        return [self.meta]

    def files(self, base: Path, split: Split) -> list[Path]:
        """The file with the class names, and the batches."""
        return [base / name for name in (self.meta, *self.splits[split])]

    @classmethod
    def read(cls, path: str) -> bytes | None:
        """Read an image by `batch#row`."""
        found = IN_BATCH.fullmatch(path)
        return image_row(found[1], int(found[2])) if found else None


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
