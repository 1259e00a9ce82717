"""Support sets by retrieval (SuS-LC; SuS-X, section 3.1): exact nearest images of a pool.

Every shard is searched on its own and yields its best images per query; merging those gives the
best of the whole pool, because the top k of a union lies in the union of the top k.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

import torch

from susx.cache import Embeddings
from susx.errors import InputError
from susx.manifests import ClassManifest, Table

BLOCK = 65536


@dataclass(frozen=True)
class Candidate:
    """One hit of a query: the text with index `query` of class `label`."""

    label: int
    query: int
    score: float
    shard: str
    key: str


def search_shard(
    queries: Embeddings, pool: Embeddings, shard: str, limit: int, block: int = BLOCK
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
    for field in ("weights_sha256", "precision"):
        if queries.meta["encoder"][field] != pool.meta["encoder"][field]:
            raise InputError(
                f"pool shard {shard}: embedded with another encoder ({field} differs); delete "
                "its cache and run again"
            )
    texts = torch.from_numpy(queries.features).float()
    scores = torch.full((len(texts), 0), 0.0)
    rows = torch.zeros((len(texts), 0), dtype=torch.long)
    for start in range(0, len(pool), block):
        images = torch.from_numpy(pool.features[start : start + block]).float()
        indices = torch.arange(start, start + len(images)).expand(len(texts), -1)
        scores = torch.cat([scores, texts @ images.T], dim=1)
        rows = torch.cat([rows, indices], dim=1)
        order = scores.argsort(dim=1, descending=True, stable=True)[:, :limit]
        scores, rows = scores.gather(1, order), rows.gather(1, order)
    records = [
        Candidate(int(label), query, score, shard, pool.keys[row])
        for query, label in enumerate(queries.labels)
        for score, row in zip(scores[query].tolist(), rows[query].tolist(), strict=True)
    ]
    return Table(records, queries.meta["classes_sha256"])


def merge_candidates(
    tables: Iterable[Table], classes: ClassManifest, limit: int
) -> list[list[Candidate]]:
    """Merge the hits of all shards into one ranking per class.

    The result lists of a class's queries are interleaved, so that no single text fills the
    quota; an image found by several of them counts once.

    Returns:
        For every class at most `limit` candidates, best first.

    Raises:
        InputError: if a table belongs to another class list, or a class found nothing.
    """
    found: dict[int, dict[int, list[Candidate]]] = defaultdict(lambda: defaultdict(list))
    for table in tables:
        if table.classes_sha256 != classes.sha256:
            raise InputError(
                "retrieval candidates belong to another class list; delete them and run again"
            )
        for candidate in table.records:
            found[candidate.label][candidate.query].append(candidate)
    empty = [entry.name for entry in classes if entry.index not in found]
    if empty:
        raise InputError(f'the pool has no readable image; class "{empty[0]}" found nothing')
    return [_interleave(found[entry.index], limit) for entry in classes]


def _interleave(hits: Mapping[int, Sequence[Candidate]], limit: int) -> list[Candidate]:
    lists = [
        sorted(hits[query], key=lambda c: (-c.score, c.shard, c.key)) for query in sorted(hits)
    ]
    unique: dict[tuple[str, str], Candidate] = {}
    for turn in zip_longest(*lists):
        for candidate in turn:
            if candidate is not None:
                unique.setdefault((candidate.shard, candidate.key), candidate)
    return list(unique.values())[:limit]
