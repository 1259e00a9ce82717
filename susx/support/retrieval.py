"""Support sets by retrieval (SuS-LC; SuS-X, section 3.1): exact nearest images of a pool.

Every shard is searched on its own and yields its best images per query; merging those gives the
best of the whole pool, because the top k of a union lies in the union of the top k.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import zip_longest
from typing import Any, Protocol, TypeVar

from susx.core.errors import InputError
from susx.embeddings.cache import Embeddings, disagreement, read_cache
from susx.manifests.classes import ClassManifest
from susx.manifests.tables import Table
from susx.support.account import NO_DIRECTION, SEARCHED, UNREADABLE

HELD = 4
HITS_AT_ONCE = 2**19
"""Hits of several support sets that are held at once. With addresses and captions they take about
0.6 GB, which a search asks for whatever its own set is."""


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True)
class TextRequest:
    """What one support set asks of a shard.

    Attributes:
        queries: text embeddings (Q, d); labels are classes.
        limit: candidates per query.
    """

    queries: Embeddings
    limit: int

    @classmethod
    def read(cls, classes: str, queries: str, limit: int) -> TextRequest:
        """Request with the queries of a cache.

        Args:
            classes: class manifest.
            queries: cache of its texts.
            limit: candidates per query.

        Raises:
            InputError: if the cache is broken or belongs to other classes.
        """
        manifest = ClassManifest.read(classes)
        return cls(read_cache(queries, manifest.sha256, len(manifest)), limit)

    @property
    def n_hits(self) -> int:
        """Hits that are held at most."""
        return len(self.queries) * self.limit

    def table(self, candidates: list[Candidate], **meta: Any) -> Table:
        """What was found, and where it comes from."""
        about = self.queries.meta
        return Table(
            candidates, about["classes_sha256"], {"queries_sha256": about["input_sha256"], **meta}
        )


class Holding(Protocol):
    """What holds hits until a shard has been read."""

    @property
    def n_hits(self) -> int:
        """At most so many."""
        ...


AnyRequest = TypeVar("AnyRequest", bound=Holding)


def passes(requests: Iterable[AnyRequest]) -> Iterator[Sequence[AnyRequest]]:
    """Requests in order, in groups whose hits are held at once, so that a shard is read for all.

    They are asked for one by one, at most one ahead: what they hold is not there for all at once.
    """
    group: list[AnyRequest] = []
    for request in requests:
        if group and sum(one.n_hits for one in [*group, request]) > HITS_AT_ONCE:
            yield group
            group = []
        group.append(request)
    if group:
        yield group


def search_shard(
    requests: Iterable[TextRequest], pool: Embeddings, shard: str, block: int | None = None
) -> Iterator[Table]:
    """Find the images of a shard nearest to every query.

    Args:
        requests: what is asked for.
        pool: image embeddings (N, d) of one shard.
        shard: name of the shard.
        block: pool rows compared at once.

    Returns:
        Per request a table of Candidate, sorted by query and falling score (cosine); ties by row
        order.

    Raises:
        InputError: if queries and pool come from different encoders.
    """
    from susx.support.exact import BLOCK_ROWS, nearest_of  # which import PyTorch

    sha256 = cache(pool.sha256)  # one text for all that found an image
    for group in passes(requests):
        for request in group:
            if field := disagreement(request.queries.encoder, pool.encoder):
                raise InputError(
                    f"pool shard {shard}: embedded with another encoder ({field} differs); delete "
                    "its cache and run again"
                )
        step = block or BLOCK_ROWS
        blocks = (pool.features[start : start + step] for start in range(0, len(pool), step))
        asked = [(request.queries.features, request.limit) for request in group]
        for request, found in zip(group, nearest_of(asked, blocks), strict=True):
            candidates = [
                Candidate(label, query, score, shard, pool.keys[row], sha256=sha256(row))
                for label, query, score, row in found.hits(request.queries.labels)
            ]
            lost = {NO_DIRECTION: found.n_unusable, UNREADABLE: pool.meta.get("n_failed", 0)}
            rows = {SEARCHED: found.n_rows - found.n_unusable, **lost}
            yield request.table(candidates, rows=rows)


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
