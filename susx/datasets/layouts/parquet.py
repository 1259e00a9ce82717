"""Parquet files with encoded images, as on the Hugging Face hub."""

from __future__ import annotations

import errno
import json
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from susx.config.sources import Split
from susx.core.columns import is_text, require_distinct, values
from susx.core.errors import InputError, listing
from susx.datasets.layouts.shards import Meaning, Shards, label_of, listing_of_members, shard_files
from susx.datasets.naming import class_indices, numbered_indices
from susx.images.listing import ListedImage, Listing
from susx.manifests.classes import ClassManifest

IN_PARQUET = re.compile(r"(.+\.parquet)#(.+):(\d+)")
ONLY_PATH = "a path in place of the image's bytes"


class ParquetShards(Shards):
    """Parquet files with encoded images and numbers of classes, as on the Hugging Face hub.

    What the numbers are called is read from the metadata of the datasets library.
    """

    layout: Literal["parquet"] = Field(description="Kind of layout.")
    splits: dict[Split, str] = Field(
        min_length=1, description="Files of every split, as a pattern: `data/test-*.parquet`."
    )
    image: str = Field("image", description="Column of images: bytes, or a struct with `bytes`.")
    label: str = Field("label", description="Column of numbers or names of classes.")

    def labelled_images(
        self, base: Path, split: Split, classes: ClassManifest, origin: str
    ) -> Listing:
        """List the images of Parquet files, in the order of their rows, which reads fastest.

        Raises:
            InputError: if there is no file, one is broken, a label is that of no class, or nothing
                tells which class a number means.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        images: list[ListedImage] = []
        for path in shard_files(base, self.splits[split], origin):
            try:
                schema = pq.read_schema(path)
                require_distinct(schema.names, (self.image, self.label), str(path))
                if missing := [n for n in (self.image, self.label) if n not in schema.names]:
                    has = listing(schema.names)
                    raise InputError(f"{path}: no column {listing(missing)} (has {has})")
                _require_images(path, self.image, schema.field(self.image).type)
                labels = _labels(path, self.label, schema)
            except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
                raise InputError(f"{path}: not a readable Parquet file ({error})") from None
            folder = path.relative_to(base).with_suffix("").as_posix()
            indices: Meaning
            if words := dict.fromkeys(value for value in labels if isinstance(value, str)):
                indices = class_indices(classes, words, self, str(path))
            else:
                names = _feature_names(schema.metadata or {}, self.label)
                indices = numbered_indices(classes, names, self, str(path))
            for row, value in enumerate(labels):
                label = label_of(value, f"{path}: row {row}: {self.label}", indices)
                key = f"{folder}/{row:07d}"
                images.append(ListedImage(key, f"{path}#{self.image}:{row}", label))
        return listing_of_members(images, base, classes)

    @classmethod
    def read(cls, path: str) -> bytes | None:
        """Read an image by `parquet#column:row`."""
        found = IN_PARQUET.fullmatch(path)
        return _parquet_image(found[1], found[2], int(found[3])) if found else None


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
