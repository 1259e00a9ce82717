"""Opening shards of pools on this machine or on any file system that fsspec knows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

from susx.errors import InputError, listing
from susx.pools import metadata_of
from susx.web_pools import WebShard, is_remote

if TYPE_CHECKING:
    import pyarrow.parquet as pq

READ_AT_ONCE = 16 * 2**20
ROWS_AT_ONCE = 65536


@contextmanager
def opened(path: str, storage: Mapping[str, Any]) -> Iterator[IO[bytes]]:
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
    path: str, storage: Mapping[str, Any], needed: Sequence[str]
) -> Iterator[pq.ParquetFile]:
    """Open a Parquet file that has the needed columns.

    Raises:
        InputError: if it is broken or lacks a column.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    with opened(path, storage) as stream:
        try:
            file = pq.ParquetFile(stream)
            names = file.schema_arrow.names
            for name in needed:
                if name not in names:
                    raise InputError(
                        f'{path}: no column "{name}" (has {listing(names, 12)}); set url_column '
                        "or caption_column of the pool"
                    )
            yield file
        except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
            raise InputError(f"{path}: not a readable Parquet file ({error})") from None


def described(record: Mapping[str, Any], shard: WebShard) -> dict[str, str]:
    """Address, caption and metadata of a row, as fields of a candidate."""
    return {
        "url": str(record[shard.url_column] or "").strip(),
        "caption": str(record.get(shard.caption_column) or ""),
        "metadata": metadata_of(record, shard.metadata_columns),
    }
