"""Support sets by retrieval (SuS-LC; SuS-X, section 3.1): exact nearest images of a pool.

Every shard is searched on its own and yields its best images per query; merging those gives the
best of the whole pool, because the top k of a union lies in the union of the top k.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from susx.core.errors import InputError
from susx.embeddings.cache import Embeddings, disagreement
from susx.manifests.classes import ClassManifest
from susx.manifests.tables import Table
from susx.support.account import NO_DIRECTION, SEARCHED, UNREADABLE

HELD = 4


@dataclass(frozen=True)
class Candidate:
    """One hit of a query: the text with index `query` of class `label`.

    Candidates of the web have a `url`, and `metadata`, a JSON object of columns of their pool;
    others have the `sha256` of their image's bytes.
    """

    label: int
    query: int
    score: float
    shard: str
    key: str
    url: str = ""
    caption: str = ""
    metadata: str = ""
    sha256: str = ""

    @property
    def identity(self) -> tuple[str, str]:
        """What is the same for two hits of the same image."""
        return ("", self.url) if self.url else (self.shard, self.key)


def search_shard(
    queries: Embeddings, pool: Embeddings, shard: str, limit: int, block: int | None = None
) -> Table:
    """Find the `limit` images of a shard nearest to every query.

    Args:
        queries: text embeddings (Q, d); labels are classes.
        pool: image embeddings (N, d) of one shard.
        shard: name of the shard.
        limit: candidates per query.
        block: pool rows compared at once.

    Returns:
        Table of Candidate, sorted by query and falling score (cosine); ties by row order.

    Raises:
        InputError: if queries and pool come from different encoders.
    """
    from susx.support.exact import nearest_rows, rows_at_once  # which import PyTorch

    if field := disagreement(queries.encoder, pool.encoder):
        raise InputError(
            f"pool shard {shard}: embedded with another encoder ({field} differs); delete its "
            "cache and run again"
        )
    step = block or rows_at_once(len(queries))
    blocks = (pool.features[start : start + step] for start in range(0, len(pool), step))
    found = nearest_rows(queries.features, blocks, limit)
    records = [
        Candidate(int(label), query, score, shard, pool.keys[row], sha256=pool.sha256(row))
        for query, label in enumerate(queries.labels)
        for score, row in zip(found.scores[query].tolist(), found.rows[query].tolist(), strict=True)
        if row >= 0
    ]
    usable = found.n_rows - found.n_unusable
    lost = {NO_DIRECTION: found.n_unusable, UNREADABLE: pool.meta.get("n_failed", 0)}
    rows = {SEARCHED: usable, **lost}
    meta = {"queries_sha256": queries.meta["input_sha256"], "rows": rows}
    return Table(records, queries.meta["classes_sha256"], meta)


def merge_candidates(
    tables: Iterable[Table], classes: ClassManifest, limit: int, may_lack: bool = False
) -> tuple[list[list[Candidate]], dict[str, int]]:
    """Merge the hits of all shards into one ranking per class.

    The result lists of a class's queries are interleaved, so that no single text fills the
    quota; an image found by several of them counts once.

    Args:
        tables: Tables of Candidate, at least the `limit` best of every shard and query.
        classes: class manifest.
        limit: candidates per class.
        may_lack: whether a class may have found nothing.

    Returns:
        For every class at most `limit` candidates, best first; and the number of rows of all
        shards that were searched, or left out, by reason.

    Raises:
        InputError: if a table belongs to another class list, tables were found by different texts,
            or a class found nothing.
    """
    found: dict[int, dict[int, list[Candidate]]] = defaultdict(lambda: defaultdict(list))
    queries = set()
    rows: Counter[str] = Counter()
    for table in tables:
        if table.classes_sha256 != classes.sha256:
            raise InputError(
                "retrieval candidates belong to another class list; delete them and run again"
            )
        queries.add(table.meta.get("queries_sha256"))
        if len(queries) > 1:
            raise InputError(
                "retrieval candidates of different shards were found by different texts; delete "
                "them and run again"
            )
        rows.update(table.meta.get("rows", {}))
        for candidate in table.records:
            found[candidate.label][candidate.query].append(candidate)
        for hits in found.values():
            for query in hits:
                if len(hits[query]) > HELD * limit:
                    hits[query] = _ranked(hits[query])[:limit]
    empty = [entry.name for entry in classes if entry.index not in found]
    if empty and not (may_lack and found):
        raise InputError(f'the pool has no readable image; class "{empty[0]}" found nothing')
    return [_interleave(found[entry.index], limit) for entry in classes], dict(+rows)


def noting_index(tables: Iterable[Table], found: dict[str, Any]) -> Iterator[Table]:
    """Pass tables on, and note by shard how well an index of theirs was searched."""
    for table in tables:
        noted = table.meta.get("index")
        if isinstance(noted, dict):  # a service notes the name of its own
            found |= noted
        yield table


def _ranked(hits: Iterable[Candidate]) -> list[Candidate]:
    return sorted(hits, key=lambda c: (-c.score, c.shard, c.key))


def _interleave(hits: Mapping[int, Sequence[Candidate]], limit: int) -> list[Candidate]:
    lists = [_ranked(hits[query]) for query in sorted(hits)]
    unique: dict[tuple[str, str], Candidate] = {}
    for turn in zip_longest(*lists):
        for candidate in turn:
            if candidate is not None:
                unique.setdefault(candidate.identity, candidate)
    return list(unique.values())[:limit]
