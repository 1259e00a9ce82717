"""Reading .npy arrays in blocks, from anything that can be opened: nothing holds a whole array."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from susx.core.errors import InputError


@dataclass(frozen=True)
class NpyFile:
    """An opened (N, d) array of float16 or float32.

    Attributes:
        name: what error messages call it.
        shape: (N, d).
        dtype: of the elements.
        stream: positioned behind the header.
    """

    name: str
    shape: tuple[int, int]
    dtype: np.dtype[Any]
    stream: Any

    @classmethod
    @contextmanager
    def open(cls, path: str | Path) -> Iterator[NpyFile]:
        """Open a local file."""
        with Path(path).open("rb") as stream:
            yield cls.read(stream, str(path))

    @classmethod
    def read(cls, stream: Any, name: str) -> NpyFile:
        """Read the header of an array.

        Raises:
            InputError: if it is no array of rows of float16 or float32, row after row.
        """
        try:
            version = np.lib.format.read_magic(stream)
            read = {
                (1, 0): np.lib.format.read_array_header_1_0,
                (2, 0): np.lib.format.read_array_header_2_0,
            }[version]
            shape, by_column, dtype = read(stream)
        except Exception as error:  # a header is parsed as Python, and fails as such
            raise InputError(f"{name}: not a readable .npy array ({error})") from None
        if len(shape) != 2 or min(shape) < 0 or by_column or dtype not in (np.float16, np.float32):
            order = ", column by column" if by_column else ""
            raise InputError(
                f"{name}: holds {dtype} of shape {shape}{order}; embeddings are (rows, dimension) "
                "in float16 or float32"
            )
        return cls(name, (shape[0], shape[1]), dtype, stream)

    def blocks(self, size: int) -> Iterator[NDArray[Any]]:
        """Yield the rows in blocks of `size`; the next one is read while one is worked on.

        Raises:
            InputError: if the file ends before the last row.
        """
        n_rows, dimension = self.shape
        row_bytes = dimension * self.dtype.itemsize

        def read(start: int) -> NDArray[Any]:
            data, done = np.empty(min(size, n_rows - start) * row_bytes, np.uint8), 0
            while done < len(data) and (n := self.stream.readinto(data.data[done:])):
                done += n
            if done < len(data):
                raise InputError(f"{self.name}: ends before row {n_rows - 1}; fetch it again")
            return data.view(self.dtype).reshape(-1, dimension)

        starts = range(0, n_rows, size)
        with ThreadPoolExecutor(1) as reader:
            following = [reader.submit(read, start) for start in starts[:1]]
            for start in starts:
                block = following.pop().result()
                following = [reader.submit(read, start + size)] if start + size < n_rows else []
                yield block
