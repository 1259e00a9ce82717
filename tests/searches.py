"""Searches of a shard for one support set."""

from susx.embeddings.cache import Embeddings
from susx.manifests.classes import ClassManifest
from susx.manifests.tables import Table
from susx.pools.indices import IndexShard
from susx.pools.web import WebShard
from susx.support import captions, embedding_shards, index_search, retrieval
from susx.support.retrieval import TextRequest


def search_shard(
    queries: Embeddings, pool: Embeddings, shard: str, limit: int, block: int | None = None
) -> Table:
    (table,) = retrieval.search_shard([TextRequest(queries, limit)], pool, shard, block)
    return table


def search_embeddings(
    queries: Embeddings, shard: WebShard, name: str, limit: int, encoder: str
) -> Table:
    request = TextRequest(queries, limit)
    (table,) = embedding_shards.search_embeddings([request], shard, name, encoder)
    return table


def search_index(
    queries: Embeddings, shard: IndexShard, name: str, limit: int, threads: int
) -> Table:
    (table,) = index_search.search_index([TextRequest(queries, limit)], shard, name, threads)
    return table


def match_captions(classes: ClassManifest, shard: WebShard, name: str, limit: int) -> Table:
    (table,) = captions.match_captions([captions.NameRequest(classes, limit)], shard, name)
    return table
