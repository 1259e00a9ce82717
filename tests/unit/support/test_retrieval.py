"""Exact nearest images of a pool."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from susx.core.errors import InputError
from susx.embeddings.cache import Embeddings
from susx.manifests.classes import class_manifest
from susx.manifests.tables import Table
from susx.support import retrieval
from susx.support.retrieval import Candidate, TextRequest, merge_candidates
from tests.closeness import assert_close, random_walk
from tests.helpers import unit_rows
from tests.searches import search_shard

ENCODER = {"weights_sha256": "w", "precision": "float32", "jpeg_draft": False, "store": "float16"}
CLASSES = class_manifest(["zebra", "ant", "mouse"])


def queries(features: np.ndarray, labels: list[int]) -> Embeddings:
    meta = {"encoder": ENCODER, "classes_sha256": CLASSES.sha256, "input_sha256": "q" * 64}
    return Embeddings(features, np.array(labels, np.int32), [f"q{i}" for i in labels], meta)


def pool(features: np.ndarray, prefix: str = "") -> Embeddings:
    n = len(features)
    keys = [f"{prefix}{i:03d}" for i in range(n)]
    hashes = np.arange(32 * n).reshape(n, 32).astype(np.uint8)
    labels = np.full(n, -1, np.int32)
    return Embeddings(features, labels, keys, {"encoder": ENCODER}, hashes=hashes)


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return math.fsum(float(x) * float(y) for x, y in zip(a, b, strict=True))


def random_pool(seed: int, n: int, dtype: str = "float32") -> Embeddings:
    return pool(unit_rows(np.random.default_rng(seed), n, 6).astype(dtype))


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("block", [1, 3, 7, 1000])
def test_hits_of_a_shard_equal_a_full_sort(block: int, dtype: str) -> None:
    texts, images = unit_rows(np.random.default_rng(9), 4, 6), random_pool(1, 50, dtype)
    table = search_shard(queries(texts, [2, 0, 1, 1]), images, "s", limit=6, block=block)
    expected = []
    for query, label in enumerate([2, 0, 1, 1]):
        scored = [(-cosine(texts[query], images.features[i]), i) for i in range(50)]
        expected += [(label, query, images.keys[i]) for _, i in sorted(scored)[:6]]
    assert [(c.label, c.query, c.key) for c in table.records] == expected
    for candidate in table.records:
        row = images.features[images.keys.index(candidate.key)]
        score = np.float32(candidate.score)
        assert_close(score, cosine(texts[candidate.query], row), random_walk(6), scale=1)
        assert candidate.sha256 == images.sha256(images.keys.index(candidate.key))
    assert {candidate.shard for candidate in table.records} == {"s"}
    assert table.classes_sha256 == CLASSES.sha256


@given(
    sizes=st.lists(st.integers(0, 20), min_size=1, max_size=5),
    size=st.integers(1, 6),
    block=st.integers(1, 8),
    seed=st.integers(0, 1000),
)
def test_merged_shards_equal_a_full_sort_of_the_whole_pool(
    sizes: list[int], size: int, block: int, seed: int
) -> None:
    texts = unit_rows(np.random.default_rng(seed), 3, 6)
    shards = {f"s{i}": random_pool(seed + i + 1, n) for i, n in enumerate(sizes)}
    tables = [
        search_shard(queries(texts, [0, 1, 2]), images, name, 2 * size, block)
        for name, images in shards.items()
    ]
    if not sum(sizes):
        with pytest.raises(InputError, match="no readable image"):
            merge_candidates(tables, CLASSES, 2 * size)
        return
    ranking, _ = merge_candidates(tables, CLASSES, 2 * size)
    for label in range(3):
        scored = [
            (-cosine(texts[label], row), name, key)
            for name, images in shards.items()
            for row, key in zip(images.features, images.keys, strict=True)
        ]
        expected = [(name, key) for _, name, key in sorted(scored)[: 2 * size]]
        assert [(c.shard, c.key) for c in ranking[label]] == expected


def axes(*indices: int) -> np.ndarray:
    """Rows of the identity: their products are exact."""
    return np.eye(4, dtype=np.float32)[list(indices)]


@pytest.mark.parametrize("block", [1, 2, 3, 100])
def test_ties_go_to_the_first_rows_whatever_the_block(block: int) -> None:
    images = pool(axes(1, 0, 0, 1, 0, 0, 0))
    table = search_shard(queries(axes(0), [0]), images, "s", limit=4, block=block)
    assert [candidate.key for candidate in table.records] == ["001", "002", "004", "005"]


def test_ties_between_shards_go_by_name_and_key() -> None:
    classes = class_manifest(["zebra"])
    tables = [
        Table([Candidate(0, 0, 0.5, shard, key)], classes.sha256)
        for shard, key in [("s1", "a"), ("s0", "b"), ("s0", "a"), ("s1", "b")]
    ]
    for order in ([0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]):
        ((ranking,), _) = merge_candidates([tables[i] for i in order], classes, 6)
        assert [(c.shard, c.key) for c in ranking] == [
            ("s0", "a"), ("s0", "b"), ("s1", "a"), ("s1", "b")
        ]  # fmt: skip


def test_a_small_shard_gives_all_it_has() -> None:
    table = search_shard(queries(axes(0, 1), [0, 1]), pool(axes(0, 1, 2)), "s", limit=10)
    assert len(table.records) == 6


def test_images_that_no_embedding_was_made_of_are_left_out_by_the_account() -> None:
    images = pool(axes(0, 1))
    images.meta["n_failed"] = 3
    tables = [search_shard(queries(axes(0), [0]), images, name, limit=10) for name in ("s", "t")]
    _, rows = merge_candidates(tables, CLASSES, 10, may_lack=True)
    assert rows == {"searched": 4, "image unreadable": 6}


def test_an_empty_shard_gives_no_hits() -> None:
    empty = pool(np.zeros((0, 4), np.float32))
    assert search_shard(queries(axes(0), [0]), empty, "s", limit=10).records == []


@pytest.mark.parametrize("field", sorted(ENCODER))
def test_pool_of_another_encoder_is_refused(field: str) -> None:
    images = pool(axes(0))
    other = replace(images, meta={"encoder": {**ENCODER, field: "other"}})
    match = rf"pool shard s7: embedded with another encoder \({field} differs\); delete its cache"
    with pytest.raises(InputError, match=match):
        search_shard(queries(axes(0), [0]), other, "s7", limit=2)


def hits(label: int, query: int, keys: str) -> list[Candidate]:
    """Candidates with falling scores."""
    return [Candidate(label, query, 1 - i / 100, "s", key) for i, key in enumerate(keys)]


def test_hits_of_several_queries_take_turns_and_count_once() -> None:
    classes = class_manifest(["zebra", "ant"])
    records = hits(0, 4, "adg") + hits(0, 2, "bae") + hits(0, 3, "cb") + hits(1, 0, "ab")
    ranking, _ = merge_candidates([Table(records, classes.sha256)], classes, 10)
    # Query 2 is first, then 3, then 4; their best, their second best, ...
    assert "".join(candidate.key for candidate in ranking[0]) == "bcadeg"
    assert [candidate.query for candidate in ranking[0]] == [2, 3, 4, 4, 2, 4]
    assert "".join(candidate.key for candidate in ranking[1]) == "ab"


def test_ranking_stops_at_its_limit() -> None:
    classes = class_manifest(["zebra"])
    ((ranking,), _) = merge_candidates([Table(hits(0, 0, "abcdefgh"), classes.sha256)], classes, 6)
    assert "".join(candidate.key for candidate in ranking) == "abcdef"


def test_same_key_in_two_shards_is_two_images() -> None:
    classes = class_manifest(["zebra"])
    records = [Candidate(0, 0, 0.5, "s0", "a"), Candidate(0, 0, 0.4, "s1", "a")]
    ((ranking,), _) = merge_candidates([Table(records, classes.sha256)], classes, 6)
    assert len(ranking) == 2


def test_candidates_of_another_class_list_are_refused() -> None:
    with pytest.raises(InputError, match="belong to another class list; delete them and run again"):
        merge_candidates([Table(hits(0, 0, "a"), "f" * 64)], CLASSES, 1)


def test_shards_that_were_searched_with_different_texts_are_refused() -> None:
    texts = queries(axes(0), [0])
    other = replace(texts, meta=texts.meta | {"input_sha256": "p" * 64})
    tables = [search_shard(q, pool(axes(0, 1)), "s", 1) for q in (texts, texts, other)]
    assert merge_candidates(tables[:2], CLASSES, 1, may_lack=True)[0]
    with pytest.raises(InputError, match="were found by different texts; delete them and run"):
        merge_candidates(tables, CLASSES, 1)


def test_class_without_hits_is_named() -> None:
    table = Table(hits(0, 0, "a") + hits(2, 2, "a"), CLASSES.sha256)
    with pytest.raises(InputError, match='no readable image; class "ant" found nothing'):
        merge_candidates([table], CLASSES, 1)


def test_sets_of_any_limits_find_together_what_each_finds_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    random = np.random.default_rng(0)
    images = pool(unit_rows(random, 40, 8))
    asked = [
        TextRequest(queries(unit_rows(random, n, 8), list(range(n))), limit)
        for n, limit in ((3, 2), (1, 50), (4, 7), (2, 2))
    ]
    alone = [table for one in asked for table in retrieval.search_shard([one], images, "s")]
    for hits in (1, 20, 1000):
        monkeypatch.setattr(retrieval, "HITS_AT_ONCE", hits)
        assert list(retrieval.search_shard(iter(asked), images, "s", block=9)) == alone
