"""Images inside larger files: tars as webdataset writes them, and Parquet with image bytes."""

from __future__ import annotations

import errno
import glob
import json
import re
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from susx.config.sources import ParquetShards, Split, WebdatasetShards
from susx.core.columns import is_text, require_distinct, values
from susx.core.errors import InputError, listing
from susx.core.patterns import require_listable
from susx.core.plain import well_formed
from susx.datasets.naming import class_indices, numbered_indices
from susx.images.decode import MAX_BYTES
from susx.images.listing import Listed, Listing
from susx.images.tars import TarImage, tar_images
from susx.manifests.classes import ClassManifest, read_class_list

DIGITS = re.compile(rb"\s*-?[0-9]{1,100}\s*")
IN_TAR = re.compile(r"(.+)#(\d+)-(\d+)")
IN_PARQUET = re.compile(r"(.+\.parquet)#(.+):(\d+)")
ONLY_PATH = "a path in place of the image's bytes"

Meaning = Mapping[str, int] | Sequence[int]
"""Class index by name or by number."""


def member_bytes(path: str) -> bytes | None:
    """Read an image by `tar#first-size` or `parquet#column:row`; None if `path` has neither form.

    Raises:
        OSError: if the file is missing, or the image too large.
        InputError: if it is broken.
    """
    if match := IN_TAR.fullmatch(path):
        with Path(match[1]).open("rb") as stream:
            if int(match[3]) > MAX_BYTES:
                raise OSError(errno.EFBIG, f"larger than {MAX_BYTES} bytes")
            stream.seek(int(match[2]))
            return stream.read(int(match[3]))
    if match := IN_PARQUET.fullmatch(path):
        return _parquet_image(match[1], match[2], int(match[3]))
    return None


def webdataset_shards(
    source: WebdatasetShards, base: Path, split: Split, classes: ClassManifest, origin: str
) -> Listing:
    """List the images of a split's tars; labels are numbers in files beside the images.

    Raises:
        InputError: if there is no tar, one is compressed or broken, a label is that of no class, or
            nothing tells which class a number means.
    """
    shards = _shards(base, source.splits[split], origin)
    file = base / source.classes
    names = [line.strip() for line in read_class_list(file)] if file.exists() else None
    indices = numbered_indices(classes, names, source, str(file if names else shards[0]))
    images: list[Listed] = []
    n_others = 0
    for path in shards:
        folder = path.relative_to(base).with_suffix("").as_posix()
        found, others = _tar_images(path, source.label)
        n_others += others
        for image in found:
            key, place = well_formed(image.key), f"{path}#{image.offset}-{image.size}"
            origin = f"{path}: {key}.{source.label}"
            label = _label(image.beside.get(source.label.lower()), origin, indices)
            images.append(Listed(f"{folder}/{key}", place, label))
    return _listing(sorted(images, key=lambda image: image.label), base, classes, n_others)


def parquet_shards(
    source: ParquetShards, base: Path, split: Split, classes: ClassManifest, origin: str
) -> Listing:
    """List the images of a split's Parquet files, in the order of their rows, which reads fastest.

    Raises:
        InputError: if there is no file, one is broken, a label is that of no class, or nothing
            tells which class a number means.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    images: list[Listed] = []
    for path in _shards(base, source.splits[split], origin):
        try:
            schema = pq.read_schema(path)
            require_distinct(schema.names, (source.image, source.label), str(path))
            if missing := [n for n in (source.image, source.label) if n not in schema.names]:
                has = listing(schema.names)
                raise InputError(f"{path}: no column {listing(missing)} (has {has})")
            _require_images(path, source.image, schema.field(source.image).type)
            labels = _labels(path, source.label, schema)
        except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
            raise InputError(f"{path}: not a readable Parquet file ({error})") from None
        folder = path.relative_to(base).with_suffix("").as_posix()
        indices: Meaning
        if words := dict.fromkeys(value for value in labels if isinstance(value, str)):
            indices = class_indices(classes, words, source, str(path))
        else:
            names = _feature_names(schema.metadata or {}, source.label)
            indices = numbered_indices(classes, names, source, str(path))
        for row, value in enumerate(labels):
            label = _label(value, f"{path}: row {row}: {source.label}", indices)
            key = f"{folder}/{row:07d}"
            images.append(Listed(key, f"{path}#{source.image}:{row}", label))
    return _listing(images, base, classes)


def _require_images(path: Path, column: str, kind: Any) -> None:
    import pyarrow as pa

    inner = kind
    if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
        inner = kind.field("bytes").type
    if not (pa.types.is_binary(inner) or pa.types.is_large_binary(inner)):
        raise InputError(
            f'{path}: column "{column}" holds {kind}, not image bytes; write the bytes of the '
            "image files into it, as the datasets library does, or name another column"
        )


def _labels(path: Path, column: str, schema: Any) -> list[Any]:
    import pyarrow.parquet as pq

    texts = [column] if is_text(schema.field(column).type) else []
    table = pq.read_table(path, columns=[column], read_dictionary=texts)
    return [value for chunk in table[column].chunks for value in values(chunk)]


def _shards(base: Path, pattern: str, origin: str) -> list[Path]:
    require_listable(f"{glob.escape(str(base))}/{pattern}")
    paths = sorted(base.glob(pattern))
    if not paths:
        raise InputError(f"{origin}: no files {base / pattern}")
    return paths


def _tar_images(path: Path, label: str) -> tuple[list[TarImage], int]:
    try:
        # Only in an uncompressed tar can images be read where they lie.
        with tarfile.open(path, "r:") as tar:
            return tar_images(tar, [label.lower()])
    except InputError:
        raise
    except (tarfile.TarError, OSError, ValueError, OverflowError) as error:
        raise InputError(
            f"{path}: not a readable tar ({error}); compressed ones must be unpacked first"
        ) from None


def _label(value: Any, origin: str, indices: Meaning) -> int:
    if isinstance(indices, Mapping):
        if value not in indices:
            raise InputError(f"{origin}: {value!r} is no label")
        return indices[value]
    number = _number(value)
    if number is None:
        raise InputError(f"{origin}: {value!r} is no label; labels are numbers")
    if not 0 <= number < len(indices):
        raise InputError(f"{origin}: label {number}, but there are {len(indices)} classes")
    return indices[number]


def _number(value: Any) -> int | None:
    """A whole number, or the digits of one; nothing is rounded."""
    if isinstance(value, bytes):
        return int(value) if DIGITS.fullmatch(value) else None
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if number == value else None


def _feature_names(metadata: Mapping[bytes, bytes], column: str) -> list[str] | None:
    """Class names in the metadata of the datasets library, if they are there."""
    try:
        names = json.loads(metadata[b"huggingface"])["info"]["features"][column]["names"]
    except (KeyError, TypeError, ValueError):
        return None
    return names if isinstance(names, list) else None


def _parquet_image(path: str, column: str, row: int) -> bytes:
    import pyarrow as pa

    state = Path(path).stat()
    try:
        for group, (first, count) in enumerate(_groups(path, state.st_mtime_ns, state.st_size)):
            if first <= row < first + count:
                values = _column(path, state.st_mtime_ns, state.st_size, group, column)
                value = values[row - first].as_py()
                data = value.get("bytes") if isinstance(value, dict) else value
                if data is None and isinstance(value, dict) and value.get("path"):
                    raise OSError(errno.ENODATA, ONLY_PATH)
                return data if isinstance(data, bytes) else b""
    except (KeyError, pa.ArrowException) as error:
        raise InputError(f"{path}: not a readable Parquet file ({error})") from None
    raise InputError(f"{path}: has no row {row}")


@lru_cache(maxsize=64)
def _groups(path: str, _time: int, _size: int) -> list[tuple[int, int]]:
    """First row and number of rows of every row group."""
    import pyarrow.parquet as pq

    meta = pq.read_metadata(path)
    counts = [meta.row_group(group).num_rows for group in range(meta.num_row_groups)]
    return [(sum(counts[:group]), count) for group, count in enumerate(counts)]


@lru_cache(maxsize=2)
def _column(path: str, _time: int, _size: int, group: int, column: str) -> Any:
    """Images of the row groups read last, since neighbours are mostly read together."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        return file.read_row_group(group, columns=[column])[column]


def _listing(
    images: Iterable[Listed], base: Path, classes: ClassManifest, n_others: int = 0
) -> Listing:
    listed = list(images)
    used = {image.label for image in listed}
    absent = [c.name for c in classes if c.index not in used]
    meta = {"folder": str(base), "n_other_files": n_others, "classes_without_images": absent}
    return Listing(listed, meta)
