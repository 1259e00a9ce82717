"""Candidates in pools with images: looked at as their shard is read; their bytes stay on disk."""

from __future__ import annotations

import hashlib
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from susx.core.errors import InputError
from susx.core.files import write_errors
from susx.images.decode import decode
from susx.images.fingerprints import fingerprint
from susx.images.rgb import UnreadableImage
from susx.pools.shards import Sample, Shard, read_shard
from susx.support.retrieval import Candidate


@dataclass(frozen=True)
class FetchedImage:
    """What a candidate's image is.

    Attributes:
        sha256: of its bytes.
        width: in pixels; 0 if it cannot be used.
        height: in pixels; 0 if it cannot be used.
        look: its fingerprint; none if it cannot be used.
        reason: why it cannot be used.
        caption: of the pool.
        metadata: JSON object of columns of the pool, or None if they could not be read.
        start: place of its bytes among those of the others.
        size: number of its bytes.
    """

    sha256: str
    width: int
    height: int
    look: str
    reason: str
    caption: str
    metadata: str | None
    start: int
    size: int


class FetchedImages:
    """Images of candidates by shard and key. ImageNet's have 3 GB, which stay in a file."""

    def __init__(self, stream: IO[bytes], place: Path) -> None:
        self._stream = stream
        self._place = place
        self._found: dict[tuple[str, str], FetchedImage] = {}

    def __getitem__(self, name: tuple[str, str]) -> FetchedImage:
        return self._found[name]

    def data(self, image: FetchedImage) -> bytes:
        """The bytes of an image."""
        self._stream.seek(image.start)
        return self._stream.read(image.size)

    def add(self, shard: str, sample: Sample, sha256: str) -> None:
        """Look at an image, and keep its bytes if it can be used.

        Raises:
            InputError: if the disk is full.
        """
        width, height, look, reason = _inspect(sample.image)
        with write_errors(self._place):
            start = self._stream.seek(0, 2)
            size = 0 if reason else self._stream.write(sample.image)
        self._found[shard, sample.key] = FetchedImage(
            sha256, width, height, look, reason, sample.caption, sample.metadata, start, size
        )


@contextmanager
def fetched_images(
    ranking: Sequence[Sequence[Candidate]], shards: Mapping[str, Shard], beside: str | Path
) -> Iterator[FetchedImages]:
    """Fetch the images of all candidates, each shard read once and no further than needed.

    Args:
        ranking: candidates per class.
        shards: the pool's shards by name.
        beside: file in whose folder the bytes lie meanwhile.

    Raises:
        InputError: if a shard no longer holds an image that was found in it, or another one under
            its key; or if the disk is full.
    """
    place = Path(beside)
    with ExitStack() as stack:
        with write_errors(place):
            place.parent.mkdir(parents=True, exist_ok=True)
            stream = stack.enter_context(tempfile.TemporaryFile(dir=place.parent))
        found = FetchedImages(stream, place)
        for name, missing in hashes_by_shard(ranking).items():
            _fetch(name, shards[name], missing, found)
        yield found


def _fetch(name: str, shard: Shard, missing: dict[str, str], found: FetchedImages) -> None:
    for sample in read_shard(shard):
        if sample.key not in missing:
            continue
        sha256 = missing.pop(sample.key)
        if hashlib.sha256(sample.image).hexdigest() != sha256:
            raise InputError(
                f'{shard.path}: holds another image under key "{sample.key}" than when the shard '
                "was embedded; delete the shard's cache and run again"
            )
        found.add(name, sample, sha256)
        if not missing:
            return
    if missing:
        raise InputError(
            f"{shard.path}: image {min(missing)} is gone since the shard was embedded; delete the "
            "shard's cache and run again"
        )


def hashes_by_shard(ranking: Sequence[Sequence[Candidate]]) -> dict[str, dict[str, str]]:
    """Hashes of all candidates' images by shard and key."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for candidates in ranking:
        for candidate in candidates:
            found[candidate.shard][candidate.key] = candidate.sha256
    return found


def _inspect(data: bytes) -> tuple[int, int, str, str]:
    """Width, height, fingerprint, and why the image cannot be used."""
    try:
        image = decode(data)
    except UnreadableImage as error:
        return 0, 0, "", str(error)
    return (*image.size, fingerprint(image), "")
