"""Search of published embeddings by indices of faiss, against the exact search."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from susx.config.pools import EmbeddingPool
from susx.core.errors import InputError
from susx.embeddings.cache import Embeddings
from susx.evaluation.facts import IndexSearch
from susx.manifests.classes import class_manifest
from susx.manifests.tables import Table
from susx.pools.indices import SAMPLED, IndexShard, index_shards
from susx.pools.web import web_shards
from susx.support.index_search import NOT_BESIDE, NOT_CHOSEN, WIDEST
from susx.support.retrieval import Candidate, merge_candidates, noting_index
from tests.helpers import unit_rows
from tests.searches import search_embeddings, search_index

faiss = pytest.importorskip("faiss")

CLASSES = class_manifest(["zebra", "ant"])
N, D, PARTS, K = 60, 8, 3, 9
FEATURES = unit_rows(np.random.default_rng(0), N * PARTS, D)
QUERIES = Embeddings(
    unit_rows(np.random.default_rng(1), 5, D),
    np.array([0, 0, 1, 1, 1], np.int32),
    ["0/0", "0/1", "1/0", "1/1", "1/2"],
    {"classes_sha256": CLASSES.sha256, "input_sha256": "i" * 64},
)
TRUTH = np.argsort(-(QUERIES.features.astype(float) @ FEATURES.T.astype(float)), kind="stable")


def write_index(
    path: Path, kind: str = "Flat", features: np.ndarray = FEATURES, metric: Any = None
) -> Path:
    metric = faiss.METRIC_INNER_PRODUCT if metric is None else metric
    index = faiss.index_factory(features.shape[1], kind, metric)
    index.train(features)
    index.add(features)
    faiss.write_index(index, str(path))
    return path


def url(row: int) -> str:
    return f"http://host/{row}"


def write_parts(
    root: Path, parts: int = PARTS, rows: int = N, address: Callable[[int], Any] = url
) -> None:
    """Embeddings and metadata as clip-retrieval writes them."""
    for name in ("img_emb", "metadata"):
        (root / name).mkdir(parents=True, exist_ok=True)
    for part in range(parts):
        mine = range(part * rows, (part + 1) * rows)
        np.save(root / f"img_emb/img_emb_{part}.npy", FEATURES[mine.start : mine.stop])
        texts = {"url": [address(i) for i in mine], "caption": [f"no. {i}" for i in mine]}
        path = root / f"metadata/metadata_{part}.parquet"
        pq.write_table(pa.table(texts), path, row_group_size=16)


def shards_of(root: Path, index: str = "image.index", **keys: Any) -> dict[str, IndexShard]:
    settings = {"path": str(root), "index": f"{root}/{index}", "encoder": "clip", **keys}
    pool = EmbeddingPool(layout="embeddings", **settings)
    return index_shards(pool, "config.yaml: pools.web", root / "x")


def found_in(root: Path, **keys: Any) -> Table:
    ((name, shard),) = shards_of(root, **keys).items()
    return search_index(QUERIES, shard, name, K, 1)


def rows_found(table: Table, query: int) -> list[int]:
    return [int(hit.key) for hit in table.records if hit.query == query]


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    write_parts(tmp_path)
    write_index(tmp_path / "image.index")
    return tmp_path


def test_a_flat_index_finds_what_the_exact_search_finds(pool: Path) -> None:
    approximate = found_in(pool)
    settings = EmbeddingPool(layout="embeddings", path=str(pool), encoder="clip")
    shards = web_shards(settings, "pools.web", pool / "x")
    exact = [search_embeddings(QUERIES, s, n, K, "clip") for n, s in shards.items()]
    expected, rows = merge_candidates(exact, CLASSES, K)
    noted: dict[str, Any] = {}
    found, searched = merge_candidates(noting_index([approximate], noted), CLASSES, K)
    fields = ("label", "query", "url", "caption", "metadata")
    told = [[tuple(getattr(c, f) for f in fields) for c in hits] for hits in found]
    assert told == [[tuple(getattr(c, f) for f in fields) for c in hits] for hits in expected]
    scores = [np.array([c.score for hits in lists for c in hits]) for lists in (found, expected)]
    # Sums of D products of unit rows in float32, in any order, against float64.
    np.testing.assert_allclose(*scores, rtol=0, atol=(D + 2) * 2.0**-24)
    assert searched == rows == {"searched": N * PARTS}
    facts = {"recall": 1.0, "k": K, "rows": N * PARTS, "of": N * PARTS, "reason": None}
    assert noted == {"image": facts}
    assert IndexSearch(**facts).recall == 1


@pytest.mark.parametrize("probes", [1, 2, "nprobe=3"])
@pytest.mark.parametrize("kind", ["IVF8,Flat", "RR8,IVF8,SQ8"])
def test_recall_of_few_probes_is_that_of_brute_force(pool: Path, kind: str, probes: Any) -> None:
    write_index(pool / "image.index", kind)
    table = found_in(pool, index_probes=probes)
    shares = [len({*rows_found(table, q)} & {*TRUTH[q, :K].tolist()}) / K for q in range(5)]
    facts = table.meta["index"]["image"]
    assert facts["recall"] == pytest.approx(np.mean(shares), rel=1e-12)
    assert 0 < facts["recall"] < 1


def test_recall_is_measured_on_the_embeddings_that_are_there(pool: Path) -> None:
    """Of a third of the rows, the third part of the nearest is looked for."""
    write_index(pool / "image.index", "IVF8,Flat")
    for part in (0, 2):
        (pool / f"img_emb/img_emb_{part}.npy").unlink()
    index = faiss.read_index(str(pool / "image.index"))
    _, lists = index.quantizer.search(QUERIES.features, 2)
    _, list_of = index.quantizer.search(FEATURES, 1)
    shares = []
    for query, near in zip(TRUTH, lists, strict=True):
        mine = [row for row in query.tolist() if N <= row < 2 * N]
        probed = [row for row in mine if list_of[row, 0] in near]
        shares.append(len({*mine[: K // 3]} & {*probed[: K // 3]}) / (K // 3))
    facts = found_in(pool, index_probes=2).meta["index"]["image"]
    assert facts["recall"] == pytest.approx(np.mean(shares), rel=1e-12)
    assert 0 < facts["recall"] < 1
    assert (facts["k"], facts["rows"], facts["of"]) == (K // 3, N, 3 * N)


def test_why_recall_is_unknown_is_told(pool: Path) -> None:
    (pool / "img_emb/img_emb_0.npy").unlink()
    facts = found_in(pool).meta["index"]["image"]
    assert (facts["recall"], facts["reason"], facts["rows"]) == (None, NOT_CHOSEN, 2 * N)
    for part in (1, 2):
        (pool / f"img_emb/img_emb_{part}.npy").unlink()
    facts = found_in(pool).meta["index"]["image"]
    assert (facts["recall"], facts["reason"], facts["rows"]) == (None, NOT_BESIDE, 0)


def test_a_sample_of_files_is_read_and_the_same_every_time(tmp_path: Path) -> None:
    write_parts(tmp_path, 6, N // 2)
    write_index(tmp_path / "image.index", "IVF8,Flat")
    (shard,) = shards_of(tmp_path).values()
    assert shards_of(tmp_path) == {"image": shard}
    assert len(shard.arrays) == SAMPLED
    numbers = [(path[-9], array[-5]) for path, array in shard.arrays.items()]
    assert all(table == array for table, array in numbers)
    assert found_in(tmp_path).meta["index"]["image"]["rows"] == SAMPLED * N // 2


def test_rows_without_an_address_take_no_place(pool: Path) -> None:
    lost = {*TRUTH[:, :4].ravel().tolist()}
    write_parts(pool, address=lambda row: None if row in lost else url(row))
    table = found_in(pool)
    for query in range(5):
        assert rows_found(table, query) == [r for r in TRUTH[query].tolist() if r not in lost][:K]
    rows = table.meta["rows"]
    assert rows["searched"] + rows["no address"] == N * PARTS
    assert 0 < rows["no address"] <= len(lost)


def test_a_pool_without_addresses_is_not_searched_to_its_end(tmp_path: Path) -> None:
    write_parts(tmp_path, address=lambda row: " ")
    write_index(tmp_path / "image.index")
    table = found_in(tmp_path)
    assert table.records == []
    nearest = {*TRUTH[:, : WIDEST * K].ravel().tolist()}
    assert table.meta["rows"] == {
        "searched": N * PARTS - len(nearest), "no address": len(nearest)
    }  # fmt: skip


def cut(path: Path, share: float) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])


def with_ids(path: Path) -> None:
    index = faiss.IndexIDMap(faiss.IndexFlatIP(D))
    index.add_with_ids(FEATURES, np.arange(len(FEATURES)) + 1000)
    faiss.write_index(index, str(path))


def untrained(path: Path) -> None:
    faiss.write_index(faiss.index_factory(D, "IVF8,Flat", faiss.METRIC_INNER_PRODUCT), str(path))


def lists_elsewhere(path: Path) -> None:
    """As autofaiss merges the indices of parts."""
    from faiss.contrib.ondisk import merge_ondisk

    part, empty = (write_index(path.with_name(name), "IVF8,Flat") for name in ("a", "b"))
    index = faiss.read_index(str(empty))
    index.reset()
    merge_ondisk(index, [str(part)], str(path.with_name("merged_index.ivfdata")))
    faiss.write_index(index, str(path))


UNREADABLE = r"image\.index: not a readable index of faiss \(.*\); fetch or build it again"
BROKEN: dict[str, tuple[Callable[[Path], Any], str]] = {
    "dimension": (
        lambda p: write_index(p, features=FEATURES[:, :4].copy()),
        r"image\.index: dimension 4, but the texts have 8; name the encoder that",
    ),
    "metric": (
        lambda p: write_index(p, metric=faiss.METRIC_L2),
        r"image\.index: compares by another metric \(faiss's number 1\); build it for inner",
    ),
    "rows": (
        lambda p: write_index(p, features=FEATURES[:100]),
        r"image\.index: 100 rows, but the metadata have 180 in 3 files; name those that it was",
    ),
    "ids": (with_ids, r"image\.index: has ids that are no row numbers \(1\d\d\d of 180 rows\)"),
    "untrained": (untrained, r"image\.index: is not trained; build it again"),
    "nothing": (
        lambda p: faiss.write_index(faiss.IndexFlatIP(D), str(p)),
        r"image\.index: has no rows; build it again",
    ),
    "lists": (
        lists_elsewhere,
        r"image\.index: keeps its lists in another file \(merged_index\.ivfdata\); write index and",
    ),
    "text": (lambda p: p.write_text("an index"), UNREADABLE),
    "empty": (lambda p: p.write_bytes(b""), UNREADABLE),
    "gone": (lambda p: p.unlink(), r"image\.index: cannot be read \(No such file"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_bad_indices_are_named(pool: Path, name: str) -> None:
    breaks, match = BROKEN[name]
    breaks(pool / "image.index")
    with pytest.raises(InputError, match=match) as caught:
        found_in(pool)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("share", [0.02, 0.3, 0.7, 0.999])
@pytest.mark.parametrize("kind", ["Flat", "IVF8,Flat", "RR8,IVF8,SQ8", "HNSW8"])
def test_cut_indices_are_named(pool: Path, kind: str, share: float) -> None:
    cut(write_index(pool / "image.index", kind), share)
    with pytest.raises(InputError, match=UNREADABLE):
        found_in(pool)


def test_settings_that_an_index_lacks_are_named(pool: Path) -> None:
    match = r"^config\.yaml: pools\.web\.index_probes: depth=3: does not suit .*image\.index \("
    with pytest.raises(InputError, match=match):
        found_in(pool, index_probes="depth=3")


def test_embeddings_of_other_rows_are_refused(pool: Path) -> None:
    np.save(pool / "img_emb/img_emb_1.npy", FEATURES[: N - 1])
    with pytest.raises(InputError, match=r"img_emb_1\.npy: of shape \(59, 8\), but .*_1\.parquet"):
        found_in(pool)


# Which files belong to an index


def test_indices_of_parts_number_the_rows_of_their_folders(tmp_path: Path) -> None:
    for part in range(2):
        write_parts(tmp_path / f"part_{part}", 2)
        write_index(tmp_path / f"part_{part}/image.index", features=FEATURES[: 2 * N])
    shards = shards_of(tmp_path, "part_*/image.index", path=f"{tmp_path}/part_*")
    assert list(shards) == ["part-0-image", "part-1-image"]
    for part, shard in enumerate(shards.values()):
        folder = f"{tmp_path}/part_{part}"
        assert shard.tables == [f"{folder}/metadata/metadata_{i}.parquet" for i in (0, 1)]
        assert shard.arrays == {
            f"{folder}/metadata/metadata_{i}.parquet": f"{folder}/img_emb/img_emb_{i}.npy"
            for i in (0, 1)
        }
        table = search_index(QUERIES, shard, "s", K, 1)
        assert table.meta["index"]["s"]["recall"] == 1
    for name in ("img_emb", "metadata"):
        (tmp_path / f"part_1/{name}").rename(tmp_path / f"part_0/{name}/more")
    with pytest.raises(InputError, match=r"part_1/image\.index: no metadata in its folder"):
        shards_of(tmp_path, "part_*/image.index", path=f"{tmp_path}/part_*")


def test_indices_in_one_folder_pair_with_tables_by_number(pool: Path) -> None:
    for part in range(PARTS):
        write_index(pool / f"knn_{part}.index", features=FEATURES[part * N : (part + 1) * N])
    shards = shards_of(pool, "knn_{0..2}.index")
    assert [shard.tables for shard in shards.values()] == [
        [f"{pool}/metadata/metadata_{i}.parquet"] for i in range(PARTS)
    ]
    tables = [search_index(QUERIES, shard, name, K, 1) for name, shard in shards.items()]
    found, _ = merge_candidates(tables, CLASSES, K)
    assert [hits[0].url for hits in found] == [url(TRUTH[0, 0]), url(TRUTH[2, 0])]
    with pytest.raises(InputError, match=r"pools\.web\.index: 2 files .* and 3 of metadata do not"):
        shards_of(pool, "knn_{0,1}.index")


@pytest.mark.parametrize(
    ("index", "match"),
    [
        ("no*.index", r"pools\.web\.index: no file matches"),
        ("metadata", r"pools\.web\.index: .*metadata: is a folder; name the files in it"),
    ],
)
def test_bad_places_are_named(pool: Path, index: str, match: str) -> None:
    with pytest.raises(InputError, match=match):
        shards_of(pool, index)


def test_an_index_elsewhere_and_stray_embeddings_are_refused(pool: Path) -> None:
    settings = EmbeddingPool(
        layout="embeddings", path=str(pool), encoder="clip", index="s3://a/image.index"
    )
    with pytest.raises(InputError, match=r"s3://a/image\.index: is not on this machine; copy it"):
        index_shards(settings, "pools.web", pool / "x")
    np.save(pool / "img_emb/img_emb_7.npy", FEATURES)
    with pytest.raises(InputError, match=r"img_emb_7\.npy: has no metadata of its name or number"):
        shards_of(pool)


def test_an_index_is_no_input_of_its_metadata(pool: Path) -> None:
    (shard,) = shards_of(pool).values()
    assert shard.path not in shard.local_files
    assert len(shard.local_files) == 2 * PARTS
    assert IndexShard(**shard.settings) == shard
    assert replace(shard, images="x").settings["images"] == "x"


def test_candidates_are_those_of_tables(pool: Path) -> None:
    assert all(isinstance(hit, Candidate) for hit in found_in(pool).records)
