"""Images of any kind on their way to an encoder, decoded ahead while it computes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import torch
from torch import Tensor

from susx.images import UnreadableImage, as_rgb, decode, stored_bytes

if TYPE_CHECKING:
    from PIL.Image import Image

Source: TypeAlias = "str | Path | bytes | Image"
AHEAD = 2
"""Batches that are decoded before they are asked for."""


@dataclass(frozen=True)
class Prepared:
    """A batch of images.

    Attributes:
        reasons: why an image cannot be read, or an empty text; one per image.
        inputs: (B, 3, H, W) of the readable ones, or None if there are none.
    """

    reasons: list[str]
    inputs: Tensor | None


def prepared(
    preprocess: Callable[[Image], Tensor],
    sources: Iterable[Source],
    batch_size: int,
    threads: int,
) -> Iterator[Prepared]:
    """Read, decode and preprocess images in threads, `AHEAD` batches before they are asked for.

    Args:
        preprocess: turns an RGB image into an encoder's input.
        sources: paths, bytes of image files, or PIL images.
        batch_size: images per batch.
        threads: images worked on at the same time.
    """

    def prepare(source: Source) -> Tensor | str:
        try:
            return preprocess(opened(source))
        except OSError as error:
            return error.strerror or type(error).__name__
        except UnreadableImage as error:
            return str(error)

    waiting = iter(sources)
    with ThreadPoolExecutor(max(1, threads)) as pool:
        ahead = deque(
            [pool.submit(prepare, source) for source in batch]
            for _ in range(AHEAD)
            if (batch := list(islice(waiting, batch_size)))
        )
        while ahead:
            results = [future.result() for future in ahead.popleft()]
            if batch := list(islice(waiting, batch_size)):
                ahead.append([pool.submit(prepare, source) for source in batch])
            tensors = [result for result in results if isinstance(result, Tensor)]
            reasons = [result if isinstance(result, str) else "" for result in results]
            yield Prepared(reasons, torch.stack(tensors) if tensors else None)


def opened(source: Source) -> Image:
    """Decode an image to RGB.

    Raises:
        OSError: if there is no such file.
        UnreadableImage: if it cannot be decoded.
    """
    if isinstance(source, bytes):
        return decode(source)
    if isinstance(source, str | Path):
        return decode(stored_bytes(str(source)))
    try:
        return as_rgb(source)
    except (OSError, ValueError, SyntaxError) as error:  # PIL decodes when it is first asked
        raise UnreadableImage(f"{type(error).__name__}: {error}") from None
