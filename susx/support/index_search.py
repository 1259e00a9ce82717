"""Search of published embeddings by an approximate index, and how well it finds what is there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from susx.core.errors import InputError
from susx.manifests.tables import Table
from susx.pools.indices import IndexShard
from susx.support.account import NO_ADDRESS, SEARCHED
from susx.support.embedding_shards import described_rows
from susx.support.exact import BLOCK_ROWS, nearest_of
from susx.support.index_files import FaissIndex
from susx.support.npy import NpyFile
from susx.support.remote import opened_parquet, remote_file
from susx.support.retrieval import Candidate, TextRequest, passes

WIDEST: Final = 8
"""Times as many hits as wanted that are asked for at most, where rows have no address: LAION's
tables lack few, and a pool that lacks seven of eight is not worth its search."""
NOT_BESIDE: Final = "no embeddings beside the index"
NOT_CHOSEN: Final = "this kind of index cannot be asked for a part of its rows"
UNUSABLE: Final = "no usable embeddings beside the index"

RowNumbers = NDArray[np.int64]


def search_index(
    requests: Iterable[TextRequest], shard: IndexShard, name: str, threads: int
) -> Iterator[Table]:
    """Find about the nearest rows of every query.

    Args:
        requests: what is asked for.
        shard: index, metadata and embeddings to measure recall on.
        name: name of the shard.
        threads: that the search uses.

    Returns:
        Per request a table of Candidate, sorted by query and falling score (inner product as the
        index tells it); ties by row order. `meta` counts the rows of the index, of which those that
        were found without an address are told apart, and has `index`: the recall (`IndexSearch`) by
        shard.

    Raises:
        InputError: if the index or a file beside it is broken, or they do not belong together.
    """
    index = None
    for group in passes(requests):
        if index is None:
            index = FaissIndex(shard, group[0].queries.features.shape[1], threads)
            starts = _starts(shard, index.n_rows)
        beside = _Beside.of(shard, starts, group)
        for request, exact in zip(group, beside.nearest, strict=True):
            features = np.ascontiguousarray(request.queries.features, np.float32)
            limit = request.limit
            first = index.nearest(features, min(limit, index.n_rows))
            scores, rows, about = _addressed(index, features, first, shard, starts, limit)
            candidates = [
                Candidate(int(label), query, score, name, f"{row:09d}", **about[row])
                for query, label in enumerate(request.queries.labels)
                for score, row in _best(scores[query], rows[query], about, limit)
            ]
            n_lost = sum(not record["url"] for record in about.values())
            counts = {SEARCHED: index.n_rows - n_lost, NO_ADDRESS: n_lost}
            recall = _recall(index, features, first[1], beside.ranges, exact)
            yield request.table(candidates, rows=counts, index={name: recall})


def _starts(shard: IndexShard, n_rows: int) -> RowNumbers:
    """First row of every table, and the number of all rows."""
    counts = []
    for path in shard.tables:
        with opened_parquet(path, shard) as (metadata, _, _):
            counts.append(metadata.metadata.num_rows)
    starts = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
    if starts[-1] != n_rows:
        raise InputError(
            f"{shard.path}: {n_rows} rows, but the metadata have {starts[-1]} in {len(counts)} "
            "files; name those that it was built with"
        )
    return starts


def _addressed(
    index: FaissIndex,
    features: NDArray[np.float32],
    found: tuple[NDArray[np.float32], RowNumbers],
    shard: IndexShard,
    starts: RowNumbers,
    limit: int,
) -> tuple[NDArray[np.float32], RowNumbers, dict[int, dict[str, str]]]:
    """Hits with what is known of them: more of them, until enough have an address."""
    about: dict[int, dict[str, str]] = {}
    while True:
        scores, rows = found
        wanted = np.setdiff1d(rows[rows >= 0], np.fromiter(about, np.int64, len(about)))
        about |= _described(shard, starts, wanted)
        lost = np.array([row for row, record in about.items() if not record["url"]], np.int64)
        if shard.images and about and len(lost) == len(about):
            raise InputError(
                f"{shard.tables[0]}: no path that was found leads into {shard.images}; set "
                "`images` of the pool to the folder that the images lie in"
            )
        k = rows.shape[1]
        usable = ((rows >= 0) & ~np.isin(rows, lost)).sum(1)
        more = (usable < limit) & (rows >= 0).all(1)
        if not more.any() or k >= min(WIDEST * limit, index.n_rows):
            return scores, rows, about
        found = index.nearest(features, min(2 * k, WIDEST * limit, index.n_rows))


def _described(
    shard: IndexShard, starts: RowNumbers, rows: RowNumbers
) -> dict[int, dict[str, str]]:
    """Address, caption and metadata of rows of the index, which rise."""
    about: dict[int, dict[str, str]] = {}
    for path, start, end in zip(shard.tables, starts[:-1].tolist(), starts[1:], strict=True):
        first, last = np.searchsorted(rows, [start, end])
        if first < last:
            with opened_parquet(path, shard) as (metadata, there, called):
                found = described_rows(metadata, there, called, rows[first:last] - start)
            about |= {start + row: record for row, record in found.items()}
    return about


def _best(
    scores: NDArray[np.float32],
    rows: RowNumbers,
    about: Mapping[int, Mapping[str, str]],
    limit: int,
) -> list[tuple[float, int]]:
    """The best hits of a query that have an address."""
    hits = zip(scores.tolist(), rows.tolist(), strict=True)
    return [(score, row) for score, row in hits if row >= 0 and about[row]["url"]][:limit]


@dataclass(frozen=True)
class _Beside:
    """What the embeddings beside an index say.

    Attributes:
        ranges: first row, and that behind the last, of every table with embeddings.
        nearest: per request the nearest of those rows (Q, k), -1 where there are fewer. Where only
            some embeddings are there, k is the number of those rows that are likely to be among the
            `limit` best of all.
    """

    ranges: Sequence[tuple[int, int]]
    nearest: Sequence[RowNumbers]

    @classmethod
    def of(cls, shard: IndexShard, starts: RowNumbers, requests: Sequence[TextRequest]) -> _Beside:
        """Search the embeddings once for all requests."""
        positions = [i for i, path in enumerate(shard.tables) if path in shard.arrays]
        ranges = [(int(starts[i]), int(starts[i + 1])) for i in positions]
        n_rows, n_all = sum(end - start for start, end in ranges), int(starts[-1])
        if not n_rows:
            nothing = [np.empty((len(request.queries), 0), np.int64) for request in requests]
            return cls(ranges, nothing)
        asked = [
            (request.queries.features, min(max(1, round(request.limit * n_rows / n_all)), n_rows))
            for request in requests
        ]
        parts = []
        for i, (start, end) in zip(positions, ranges, strict=True):
            path = shard.arrays[shard.tables[i]]
            with remote_file(path, shard.storage) as stream:
                array = NpyFile.read(stream, path)
                _require_fitting(array, shard.tables[i], end - start, asked[0][0].shape[1])
                found = nearest_of(asked, array.blocks(BLOCK_ROWS))
            parts.append([(b.scores, np.where(b.rows < 0, -1, b.rows + start)) for b in found])
        merged = zip(zip(*parts, strict=True), asked, strict=True)
        return cls(ranges, [_merged(list(part), k) for part, (_, k) in merged])


def _require_fitting(array: NpyFile, table: str, n_rows: int, dimension: int) -> None:
    if array.shape != (n_rows, dimension):
        raise InputError(
            f"{array.name}: of shape {array.shape}, but {table} has {n_rows} rows and the index "
            f"dimension {dimension}; fetch them again"
        )


def _recall(
    index: FaissIndex,
    features: NDArray[np.float32],
    found: RowNumbers,
    ranges: Sequence[tuple[int, int]],
    exact: RowNumbers,
) -> dict[str, Any]:
    """How many of the exact nearest rows (Q, k) the index finds, on average over the queries.

    Where only some embeddings are there, it is asked for as many of these. Addresses do not matter.
    """
    n_rows, k = sum(end - start for start, end in ranges), exact.shape[1]
    told = {"recall": None, "k": k, "rows": n_rows, "of": index.n_rows, "reason": NOT_BESIDE}
    if not n_rows:
        return told
    n_exact = (exact >= 0).sum(1)
    if not n_exact.all():
        return told | {"reason": UNUSABLE}
    if n_rows < index.n_rows:
        among = [
            index.nearest_among(features, min(k, end - start), start, end)
            for start, end in ranges
            if start < end
        ]
        if None in among:
            return told | {"reason": NOT_CHOSEN}
        found = _merged([part for part in among if part is not None], k)
    hits = [len(np.intersect1d(e[e >= 0], f[:k])) for e, f in zip(exact, found, strict=True)]
    return told | {"recall": float(np.mean(hits / n_exact)), "reason": None}


def _merged(parts: list[tuple[NDArray[Any], RowNumbers]], k: int) -> RowNumbers:
    """The k best rows (Q, k) of several searches."""
    scores, rows = (np.concatenate(part, 1) for part in zip(*parts, strict=True))
    order = np.lexsort((rows, -scores))[:, :k]
    return np.take_along_axis(rows, order, 1)
