"""Search of published embeddings: shards of `img_emb/*.npy` and `metadata/*.parquet`."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from susx.core.columns import is_bytes, records, values
from susx.core.errors import InputError, listing
from susx.core.plain import GARBLED
from susx.manifests.tables import Table
from susx.pools.web import WebShard
from susx.support.account import NO_ADDRESS, NO_DIRECTION, SEARCHED
from susx.support.exact import BLOCK_ROWS, nearest_of
from susx.support.npy import NpyFile
from susx.support.remote import ROWS_AT_ONCE, candidate_fields, located, opened_parquet, remote_file
from susx.support.retrieval import Candidate, TextRequest, passes

UNREADABLE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)
"""What reading an archive raises: damaged, cut, compressed in unknown ways, encrypted."""


def search_embeddings(
    requests: Iterable[TextRequest], shard: WebShard, name: str, encoder: str
) -> Iterator[Table]:
    """Find the rows of a shard nearest to every query.

    The shard is streamed, once for as many requests as their hits fit in memory; memory does not
    depend on its size.

    Args:
        requests: what is asked for.
        shard: embeddings and their metadata.
        name: name of the shard.
        encoder: name of the encoder that the pool says it was made with, for messages.

    Returns:
        Per request a table of Candidate, sorted by query and falling score (cosine); ties by row
        order. `meta` counts rows that were searched, and those that have no address, or are zero or
        not finite.

    Raises:
        InputError: if the shard is broken, its dimension is not that of the queries, or its
            metadata have other rows or lack the column of addresses.
    """
    with opened_parquet(shard.metadata, shard) as (metadata, there, called):
        addressed = None
        for group in passes(requests):
            dimension = group[0].queries.features.shape[1]
            with _array(shard) as array:
                _require_fitting(array, dimension, encoder, metadata.metadata.num_rows, shard)
                if addressed is None:
                    addressed = _addressed(metadata, called)
                blocks = _without(~addressed, array.blocks(BLOCK_ROWS))
                asked = [(request.queries.features, request.limit) for request in group]
                nearest = nearest_of(asked, blocks)
            rows = np.unique(np.concatenate([found.rows.ravel() for found in nearest]))
            about = described_rows(metadata, there, called, rows[rows >= 0])
            n_addressed = int(addressed.sum())
            for request, found in zip(group, nearest, strict=True):
                candidates = [
                    Candidate(label, query, score, name, f"{row:09d}", **about[row])
                    for label, query, score, row in found.hits(request.queries.labels)
                ]
                n_usable = found.n_rows - found.n_unusable
                counts = {
                    SEARCHED: n_usable,
                    NO_ADDRESS: found.n_rows - n_addressed,
                    NO_DIRECTION: n_addressed - n_usable,
                }
                yield request.table(candidates, rows=counts)


def _require_fitting(
    array: NpyFile, dimension: int, encoder: str, n_described: int, shard: WebShard
) -> None:
    """Look whether embeddings are of the encoder's dimension, and as many as their metadata."""
    n_rows, found = array.shape
    if found != dimension:
        raise InputError(
            f"{array.name}: dimension {found}, but encoder {encoder} makes {dimension}; name the "
            "encoder that made the embeddings as `encoder` of the pool"
        )
    if n_described != n_rows:
        raise InputError(
            f"{array.name}: {n_rows} rows, but {shard.metadata} has {n_described}; fetch both again"
        )


def _addressed(metadata: Any, shard: WebShard) -> NDArray[np.bool_]:
    """Which rows have an address.

    Raises:
        InputError: if images lie in a folder, and no path leads into it.
    """
    import pyarrow.compute as pc

    parts = [np.zeros(0, bool)]
    for batch in metadata.iter_batches(batch_size=ROWS_AT_ONCE, columns=[shard.url_column]):
        column = batch.column(0)
        if shard.images or is_bytes(column.type):
            parts.append(np.array([bool(located(text, shard)) for text in values(column)], bool))
            continue
        text = pc.utf8_trim_whitespace(column.cast("string"))  # 15 times as fast
        is_there = pc.and_not(pc.not_equal(text, ""), pc.match_substring(text, GARBLED))
        parts.append(is_there.fill_null(False).to_numpy(zero_copy_only=False))
    found = np.concatenate(parts)
    if shard.images and len(found) and not found.any():
        raise InputError(
            f'{shard.metadata}: no path of column "{shard.url_column}" leads into {shard.images}; '
            "set `images` of the pool to the folder that the images lie in"
        )
    return found


def _without(left_out: NDArray[np.bool_], blocks: Iterable[NDArray[Any]]) -> Iterator[NDArray[Any]]:
    """Blocks of rows, of which those left out are zero: they have no direction to be found by."""
    start = 0
    for block in blocks:
        block[left_out[start : start + len(block)]] = 0
        start += len(block)
        yield block


@contextmanager
def _array(shard: WebShard) -> Iterator[NpyFile]:
    with remote_file(shard.path, shard.storage) as stream:
        if not shard.array:
            yield NpyFile.read(stream, shard.path)
            return
        try:
            with zipfile.ZipFile(stream) as archive:
                names = [name.removesuffix(".npy") for name in archive.namelist()]
                if shard.array not in names:
                    raise InputError(
                        f'{shard.path}: no array "{shard.array}" (has {listing(names)}); set '
                        "`array` of the pool"
                    )
                with archive.open(f"{shard.array}.npy") as member:
                    yield NpyFile.read(member, f"{shard.path}[{shard.array}]")
        except UNREADABLE as error:
            raise InputError(f"{shard.path}: not a readable .npz file ({error})") from None


def described_rows(
    metadata: Any, there: list[str], shard: WebShard, rows: NDArray[np.int64]
) -> dict[int, dict[str, str]]:
    """Address, caption and metadata of some rows, which rise; only their row groups are read."""
    found: dict[int, dict[str, str]] = {}
    start = 0
    for group in range(metadata.num_row_groups):
        end = start + metadata.metadata.row_group(group).num_rows
        if np.searchsorted(rows, start) < np.searchsorted(rows, end):
            batches = metadata.iter_batches(ROWS_AT_ONCE, [group], columns=there)
            found |= _described_in(batches, start, shard, rows)
        start = end
    return found


def _described_in(
    batches: Iterable[Any], start: int, shard: WebShard, rows: NDArray[np.int64]
) -> dict[int, dict[str, str]]:
    """Rows of one row group, which begins with row `start`."""
    found: dict[int, dict[str, str]] = {}
    for batch in batches:
        first, last = np.searchsorted(rows, [start, start + batch.num_rows])
        part = rows[first:last]
        for row, record in zip(part.tolist(), records(batch.take(part - start)), strict=True):
            found[row] = candidate_fields(record, shard)
        start += batch.num_rows
    return found
