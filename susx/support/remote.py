"""Opening shards of pools on this machine or on any file system that fsspec knows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING, Any

from susx.core.columns import opened_columns, require_columns
from susx.core.errors import InputError
from susx.core.plain import address, caption
from susx.pools.shards import metadata_of
from susx.pools.web import WebShard, is_remote
from susx.support.column_names import with_names
from susx.support.local_images import local_address

if TYPE_CHECKING:
    import pyarrow.parquet as pq

READ_AT_ONCE = 16 * 2**20
ROWS_AT_ONCE = 65536


@contextmanager
def remote_file(path: str, storage: Mapping[str, Any]) -> Iterator[IO[bytes]]:
    """Open a file for reading; remote ones are read ahead in large pieces.

    Raises:
        InputError: if the file is missing or cannot be reached.
    """
    import fsspec

    remote = {"block_size": READ_AT_ONCE, "cache_type": "readahead"} if is_remote(path) else {}
    try:
        system, name = fsspec.core.url_to_fs(path, **storage)
        stream = system.open(name, "rb", **remote)
    except FileNotFoundError:
        raise InputError(f"{path}: pool shard not found") from None
    except Exception as error:  # file systems raise many kinds
        raise InputError(
            f"{path}: cannot be opened ({type(error).__name__}: {error}); run again when it can"
        ) from None
    with stream:
        yield stream


@contextmanager
def opened_parquet(
    path: str, shard: WebShard, captioned: bool = False
) -> Iterator[tuple[pq.ParquetFile, list[str], WebShard]]:
    """Open a Parquet file that has addresses, and tell its columns and how they are called.

    Args:
        path: the file.
        shard: its names of columns are those of the configuration.
        captioned: whether captions are needed as well.

    Yields:
        The file, those of its columns that the pool uses, and the shard with their names.

    Raises:
        InputError: if it is broken, lacks a column, or one holds what it cannot.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    keys = "url_column or caption_column"
    with remote_file(path, shard.storage) as stream:
        with suppress(
            OSError, pa.ArrowException, UnicodeDecodeError
        ):  # what is broken is told below
            shard = with_names(shard, pq.read_schema(stream).names, path)
        texts = shard.url_column, shard.caption_column
        with opened_columns(stream, path, texts, shard.metadata_columns, keys) as (file, there):
            require_columns(file, path, texts[: 2 if captioned else 1], keys)
            yield file, there, shard


def located(text: object, shard: WebShard) -> str:
    """Address of a row, of the web or of a folder; nothing if it has none."""
    return local_address(text, shard.images) if shard.images else address(text)


def candidate_fields(record: Mapping[str, Any], shard: WebShard) -> dict[str, str]:
    """Address, caption and metadata of a row, as fields of a candidate."""
    return {
        "url": located(record[shard.url_column], shard),
        "caption": caption(record.get(shard.caption_column)),
        "metadata": metadata_of(record, shard.metadata_columns),
    }
