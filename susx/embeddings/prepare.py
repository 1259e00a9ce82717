"""Images decoded and preprocessed for an encoder, in the order they came."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from susx.core.errors import InputError
from susx.datasets.stored import read_listed, stored_bytes
from susx.embeddings.views import random_view
from susx.encoders.protocol import Encoder
from susx.images.decode import decode, require_bounded
from susx.images.rgb import PLAIN, Reading, UnreadableImage, as_rgb
from susx.manifests.tables import ImageRecord

if TYPE_CHECKING:
    from PIL.Image import Image

ImageSource: TypeAlias = "bytes | str | Path | Image | ImageRecord"
UNIT = 8  # images that a worker process does at once; all units together must fit into /dev/shm

T = TypeVar("T")


@dataclass(frozen=True)
class Item:
    """An image on its way to the encoder.

    Attributes:
        key: its name.
        label: class index, -1 if unknown.
        sha256: of its bytes.
        source: its bytes, a PIL image, or where it lies.
        seed: of the random view that is taken of it; None for the image itself.
        reason: why it could not even be fetched.
    """

    key: str
    label: int
    sha256: str
    source: ImageSource
    seed: tuple[int, ...] | None = None
    reason: str = ""


@dataclass(frozen=True)
class Batch:
    """Preprocessed images: (B, ...) inputs of the encoder, or None where none could be read.

    Attributes:
        keys: B names.
        labels: B class indices.
        hashes: B SHA-256 of images' bytes, in hex.
        pixels: inputs.
        failed: reasons by key of those that could not be read.
        size: number of all of them.
        problem: message of an error that ends the job.
    """

    keys: list[str]
    labels: list[int]
    hashes: list[str]
    pixels: Tensor | None
    failed: dict[str, str]
    size: int
    problem: str = ""


def prepared(
    batches: Iterable[tuple[T, Sequence[Item]]],
    encoder: Encoder,
    workers: int,
    processes: bool,
    draft: bool = False,
    upright: bool = False,
) -> Iterator[tuple[T, Batch]]:
    """Decode and preprocess batches of images, in order.

    Args:
        batches: images, each batch with something to recognise it by.
        encoder: whose preprocessing is applied.
        workers: images worked on at the same time.
        processes: whether workers are processes, ahead of what is consumed; they pay off where
            the encoder runs on another device. On the CPU, which it keeps busy by itself, threads
            between two batches do less harm.
        draft: whether JPEGs may be decoded at the smallest scale that is not below the input's.
        upright: whether images are turned as their EXIF says.

    Raises:
        InputError: if a file has changed since it was listed.
    """
    waiting: deque[tuple[T, int]] = deque()

    def units() -> Iterator[Sequence[Item]]:
        for tag, items in batches:
            size = UNIT if processes else max(1, len(items))
            starts = range(0, max(1, len(items)), size)
            waiting.append((tag, len(starts)))
            yield from (items[start : start + size] for start in starts)

    reading = Reading(encoder.transparency == "white", upright)
    images = _Images(encoder, draft, reading, 0 if processes else workers)
    loader = DataLoader(
        images,
        batch_sampler=units(),  # type: ignore[arg-type]
        num_workers=workers if processes else 0,
        collate_fn=_as_it_is,
        multiprocessing_context="fork" if processes else None,
    )
    done: list[Batch] = []
    for unit in loader:
        if unit.problem:
            raise InputError(unit.problem)
        done.append(unit)
        if len(done) == waiting[0][1]:
            yield waiting.popleft()[0], _joined(done)
            done = []


class _Images(Dataset[Batch]):
    """What workers share; its indices are the items themselves."""

    def __init__(self, encoder: Encoder, draft: bool, reading: Reading, threads: int) -> None:
        self._encoder = encoder
        self._draft = draft
        self._reading = reading
        self._pool = ThreadPoolExecutor(threads) if threads else None

    def __getitems__(self, items: Sequence[Item]) -> Batch:
        run = self._pool.map if self._pool else map
        keys, labels, hashes, tensors, failed = [], [], [], [], {}
        try:
            for item, result in zip(items, run(self._prepare, items), strict=True):
                if isinstance(result, str):
                    failed[item.key] = result
                else:
                    keys.append(item.key)
                    labels.append(item.label)
                    hashes.append(item.sha256)
                    tensors.append(result)
        except InputError as error:  # a worker process would wrap it into its traceback
            return Batch([], [], [], None, {}, len(items), str(error))
        # torch.stack would wake torch's threads, which costs more than the copy
        pixels = torch.from_numpy(np.stack([t.numpy() for t in tensors])) if tensors else None
        return Batch(keys, labels, hashes, pixels, failed, len(items))

    def _prepare(self, item: Item) -> Tensor | str:
        if item.reason:
            return item.reason
        encoder = self._encoder
        side = encoder.image_size if self._draft and item.seed is None else None
        try:
            image = decoded_image(item.source, side, self._reading)
            if item.seed is not None:
                image = random_view(image, encoder.image_size, np.random.default_rng(item.seed))
            return encoder.preprocess(image)
        except UnreadableImage as error:
            return str(error)


def decoded_image(source: ImageSource, draft: int | None = None, reading: Reading = PLAIN) -> Image:
    """Decode an image to RGB; `draft` and `reading` as for `susx.images.decode.decode`.

    Raises:
        InputError: if the file of a record has changed since it was listed.
        UnreadableImage: if there is no such file, or it cannot be decoded.
    """
    if isinstance(source, ImageRecord):
        return decode(read_listed(source), draft, reading)
    if isinstance(source, bytes):
        return decode(source, draft, reading)
    try:
        if isinstance(source, str | Path):
            return decode(stored_bytes(str(source)), draft, reading)
        require_bounded(source)
        return as_rgb(source, reading)
    except UnreadableImage:
        raise
    except (OSError, ValueError, SyntaxError) as error:
        named = getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"
        raise UnreadableImage(named) from None


def _as_it_is(batch: Any) -> Any:
    return batch


def _joined(units: Sequence[Batch]) -> Batch:
    if len(units) == 1:
        return units[0]
    pixels = [unit.pixels for unit in units if unit.pixels is not None]
    return Batch(
        [key for unit in units for key in unit.keys],
        [label for unit in units for label in unit.labels],
        [sha256 for unit in units for sha256 in unit.hashes],
        torch.cat(pixels) if pixels else None,
        {key: reason for unit in units for key, reason in unit.failed.items()},
        sum(unit.size for unit in units),
    )
