"""Image pools: enumerating shards and streaming their samples."""

from __future__ import annotations

import codecs
import glob
import json
import logging
import lzma
import math
import tarfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from braceexpand import braceexpand
from slugify import slugify

from susx.config.pools import POOLS, Pool
from susx.config.types import Section
from susx.core.columns import caption_column, opened_columns, records, require_columns
from susx.core.errors import InputError
from susx.core.files import read_regular
from susx.core.patterns import matching
from susx.core.plain import GARBLED_CAPTIONS, LONGEST_CAPTION, caption, is_garbled, well_formed
from susx.images.decode import MAX_BYTES
from susx.images.listing import list_images
from susx.images.tars import read_image, tar_images

ROWS_AT_ONCE = 256
UNREADABLE = (
    *(tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError, TypeError),
    *(AttributeError, IndexError, KeyError, OverflowError, MemoryError, AssertionError),
)
"""What broken tars raise."""
MARKED = (
    *((mark, "utf-32") for mark in (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)),
    *((mark, "utf-16") for mark in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)),
)
"""Encodings by the marks that texts begin with; the first begins as the third does."""


@dataclass(frozen=True)
class Shard:
    """One shard of a pool: a file, or every `count`-th image of a folder from `index` on.

    `options` are for layouts that have settings of their own: plain values.
    """

    layout: str
    path: str
    index: int = 0
    count: int = 1
    image_column: str = "image"
    caption_column: str = "caption"
    metadata_columns: Sequence[str] = ()
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def settings(self) -> dict[str, Any]:
        """All fields, as plain values; of options only those that there are."""
        return {k: v for k, v in vars(self).items() if v or k != "options"}


@dataclass(frozen=True)
class Sample:
    """An undecoded image of a pool.

    Attributes:
        key: its name, once in its shard.
        image: bytes of its file; none if they could not be read.
        caption: its text.
        metadata: JSON object of columns of the pool, or None if they could not be read.
        reason: why its file could not be read.
    """

    key: str
    image: bytes
    caption: str
    metadata: str | None = ""
    reason: str = ""


@dataclass(frozen=True)
class PoolLayout:
    """A layout of pools with images.

    Attributes:
        section: of the configuration; `layout` is the name of the layout.
        shards: function of a section and its key, giving the shards by name without opening any.
        read: function that streams the samples of a shard in a fixed order.
        in_folders: whether a shard is a folder, not a file.
    """

    section: type[Section]
    shards: Callable[[Any, str], Mapping[str, Shard]]
    read: Callable[[Shard], Iterator[Sample]]
    in_folders: bool = False


def pool_shards(pool: Any, origin: str = "pool") -> dict[str, Shard]:
    """Enumerate the shards of a pool by name, without opening any.

    Raises:
        InputError: if a pattern matches nothing, a folder that it looks into cannot be listed, or
            two shards get the same name.
    """
    layout: PoolLayout = POOLS.named(pool.layout)
    return dict(layout.shards(pool, origin))


def _parts_of_folder(pool: Pool, origin: str) -> dict[str, Shard]:
    return {
        f"{index:05d}": Shard("folder", pool.path, index, pool.shards)
        for index in range(pool.shards)
    }


def _files(pool: Pool, origin: str) -> dict[str, Shard]:
    paths = [
        path
        for pattern in braceexpand(pool.path)
        for path in (matching(pattern) if glob.has_magic(pattern) else [pattern])
    ]
    if not paths:
        raise InputError(f"{origin}.path: no file matches {pool.path}")
    named: dict[str, Shard] = {}
    for path in paths:
        name = slugify(Path(path).stem) or "shard"
        if name in named:
            raise InputError(
                f'{origin}.path: {named[name].path} and {path} would both be shard "{name}"; '
                "give the files different names"
            )
        named[name] = Shard(
            pool.layout,
            path,
            image_column=pool.image_column,
            caption_column=pool.caption_column,
            metadata_columns=pool.metadata_columns,
        )
    return named


def metadata_of(record: Mapping[str, Any], columns: Sequence[str]) -> str:
    """Some columns of a pool's row as JSON, without what is no text or finite number."""
    values = {name: _plain(record[name]) for name in columns if name in record}
    return json.dumps({k: v for k, v in values.items() if v is not None}) if values else ""


def _plain(value: Any) -> str | bool | int | float | None:
    """A value that JSON has; decimals are numbers."""
    if isinstance(value, float | Decimal):
        return float(value) if math.isfinite(value) else None
    return value if isinstance(value, str | bool | int) else None


def read_shard(shard: Shard) -> Iterator[Sample]:
    """Stream the samples of a shard in a fixed order.

    Raises:
        InputError: if the shard is missing, truncated or not of its layout.
    """
    path = Path(shard.path)
    if not path.exists():
        raise InputError(f"{path}: pool shard not found")
    layout: PoolLayout = POOLS.named(shard.layout)
    if path.is_dir() != layout.in_folders:
        kind = "a folder" if path.is_dir() else "a file"
        raise InputError(f"{path}: {kind}, which does not fit layout `{shard.layout}` of the pool")
    return _told(layout.read(shard), shard.path)


def _told(samples: Iterator[Sample], path: str) -> Iterator[Sample]:
    """Samples, and a word at their end on captions and metadata that could not be read."""
    n_garbled = n_unread = 0
    for sample in samples:
        n_garbled += is_garbled(sample.caption)
        n_unread += sample.metadata is None
        yield sample
    if n_unread:
        logging.warning("%s: the JSON beside %d images is broken", path, n_unread)
    if n_garbled:
        logging.warning("%s: " + GARBLED_CAPTIONS, path, n_garbled)


def _read_folder(shard: Shard) -> Iterator[Sample]:
    root = Path(shard.path)
    for path in list(list_images(root))[shard.index :: shard.count]:
        data, reason = b"", ""
        try:
            data = read_regular(path, MAX_BYTES)
        except OSError as error:
            reason = error.strerror or type(error).__name__
        yield Sample(
            well_formed(path.relative_to(root).as_posix()),
            data,
            _decoded(_beside(path)),
            reason=reason,
        )


def _beside(path: Path) -> bytes:
    """Start of the caption of an image file."""
    for suffix in (".txt", ".TXT"):
        with suppress(OSError):
            return read_regular(path.with_suffix(suffix), None, 4 * LONGEST_CAPTION)
    return b""


def _decoded(text: bytes) -> str:
    """Caption in a text file."""
    encoding = next((name for mark, name in MARKED if text.startswith(mark)), "utf-8-sig")
    return caption(text.decode(encoding, "replace"))


def _read_webdataset(shard: Shard) -> Iterator[Sample]:
    try:
        with tarfile.open(shard.path, "r:*") as tar:
            images, n_others = tar_images(tar, ("txt", "json"), MAX_BYTES)
            logging.info("%s: %d images, %d other files", shard.path, len(images), n_others)
            for image in images:
                record = _tar_record(image.beside)
                yield Sample(
                    well_formed(image.key),
                    read_image(tar, image),
                    _tar_caption(image.beside, record or {}),
                    None if record is None else metadata_of(record, shard.metadata_columns),
                )
    except InputError:
        raise
    except UNREADABLE as error:
        reason = str(error).partition(":\n")[0]  # what it is not, one line per compression
        raise InputError(
            f"{shard.path}: not a readable tar ({reason}); fetch or write it again"
        ) from None


def _tar_record(group: Mapping[str, bytes]) -> dict[str, Any] | None:
    """What img2dataset writes beside an image, or None if it is broken."""
    try:
        record = json.loads(group.get("json", b"{}"))
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else {}


def _tar_caption(group: Mapping[str, bytes], record: Mapping[str, Any]) -> str:
    if "txt" in group:
        return _decoded(group["txt"])
    return caption(record.get("caption"))


def _read_parquet(shard: Shard) -> Iterator[Sample]:
    path = shard.path
    captions = _caption_column(shard)
    others = [name for name in ("key", *shard.metadata_columns) if name != shard.image_column]
    with opened_columns(path, path, [captions], others, "caption_column") as (file, there):
        require_columns(file, path, [shard.image_column], "image_column")
        _require_images(file.schema_arrow.field(shard.image_column).type, shard)
        row = 0
        wanted = [*there, shard.image_column]
        for batch in file.iter_batches(batch_size=ROWS_AT_ONCE, columns=wanted):
            images = batch[shard.image_column]
            for place, record in enumerate(records(batch.select(there))):
                image = images[place].as_py()  # one at a time: rows may share large ones
                data = image.get("bytes") if isinstance(image, dict) else image
                yield Sample(
                    str(record.get("key") or f"{row:09d}"),
                    data or b"",
                    caption(record.get(captions)),
                    metadata_of(record, shard.metadata_columns),
                )
                row += 1


def _caption_column(shard: Shard) -> str:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        there = pq.read_schema(shard.path).names
    except (OSError, pa.ArrowException, UnicodeDecodeError):  # told where the file is opened
        return shard.caption_column
    return caption_column(shard.caption_column, there, shard.path)


def _require_images(kind: Any, shard: Shard) -> None:
    import pyarrow as pa

    if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
        kind = kind.field("bytes").type
    if not (pa.types.is_binary(kind) or pa.types.is_large_binary(kind)):
        raise InputError(
            f'{shard.path}: column "{shard.image_column}" holds {kind}, not image bytes; set '
            "image_column of the pool"
        )


FOLDER = PoolLayout(Pool, _parts_of_folder, _read_folder, in_folders=True)
WEBDATASET = PoolLayout(Pool, _files, _read_webdataset)
PARQUET = PoolLayout(Pool, _files, _read_parquet)
