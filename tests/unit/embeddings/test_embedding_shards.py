"""Search of published embeddings, on disk and on S3."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from susx.config.pools import CaptionPool, EmbeddingPool, ServicePool
from susx.core.errors import InputError
from susx.embeddings.cache import Embeddings
from susx.manifests.classes import class_manifest
from susx.pools.web import WebShard, web_shards
from tests.helpers import unit_rows
from tests.searches import search_embeddings

CLASSES = class_manifest(["zebra", "ant"])
N, D = 70, 6
FEATURES = unit_rows(np.random.default_rng(0), N, D).astype(np.float16)
QUERIES = Embeddings(
    unit_rows(np.random.default_rng(1), 3, D),
    np.array([0, 1, 1], np.int32),
    ["0/0", "1/0", "1/1"],
    {"classes_sha256": CLASSES.sha256, "input_sha256": "i" * 64},
)


def write_metadata(path: Path, rows: int = N, **names: str) -> None:
    columns = {
        names.get("url", "url"): [f"http://host/{i}" for i in range(rows)],
        names.get("caption", "caption"): [None if i % 7 == 0 else f"no. {i}" for i in range(rows)],
        "similarity": [i / rows for i in range(rows)],
        "NSFW": ["UNLIKELY"] * rows,
        "unheard": [1] * rows,
    }
    pq.write_table(pa.table(columns), path, row_group_size=16)


def write_shard(root: Path, number: str = "0", features: np.ndarray = FEATURES) -> None:
    """One shard as clip-retrieval writes it."""
    for name in ("img_emb", "metadata"):
        (root / name).mkdir(parents=True, exist_ok=True)
    np.save(root / f"img_emb/img_emb_{number}.npy", features)
    write_metadata(root / f"metadata/metadata_{number}.parquet")


def pool(path: str, **keys: Any) -> EmbeddingPool:
    return EmbeddingPool(layout="embeddings", path=path, encoder="clip", **keys)


def only(shards: dict[str, WebShard]) -> tuple[str, WebShard]:
    ((name, shard),) = shards.items()
    return name, shard


def expect_full_sort(shard: WebShard, features: np.ndarray = FEATURES) -> None:
    table = search_embeddings(QUERIES, shard, "s", 9, "clip")
    scores = QUERIES.features.astype(float) @ features.T.astype(float)
    assert len(table.records) == 27
    assert table.classes_sha256 == CLASSES.sha256
    for query, label in enumerate(QUERIES.labels):
        hits = table.records[9 * query : 9 * query + 9]
        rows = np.argsort(-scores[query], kind="stable")[:9]
        assert [hit.key for hit in hits] == [f"{row:09d}" for row in rows]
        assert [hit.url for hit in hits] == [f"http://host/{row}" for row in rows]
        assert [hit.caption for hit in hits] == ["" if r % 7 == 0 else f"no. {r}" for r in rows]
        assert {(hit.label, hit.query, hit.shard) for hit in hits} == {(label, query, "s")}
        assert json.loads(hits[0].metadata) == {"similarity": rows[0] / N, "NSFW": "UNLIKELY"}


@pytest.fixture
def shard(tmp_path: Path) -> WebShard:
    write_shard(tmp_path)
    return only(web_shards(pool(str(tmp_path)), "pools.web", tmp_path / "x"))[1]


def test_hits_equal_a_full_sort(shard: WebShard) -> None:
    expect_full_sort(shard)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_of_datacomp_are_searched(tmp_path: Path, save: Any) -> None:
    save(tmp_path / "ab12.npz", b32_img=FEATURES[:, :3], l14_img=FEATURES)
    write_metadata(tmp_path / "ab12.parquet", caption="text")
    path, metadata = f"{tmp_path}/*.npz", f"{tmp_path}/*.parquet"
    settings = pool(path, metadata=metadata, array="l14_img", caption_column="text")
    name, shard = only(web_shards(settings, "pools.web", tmp_path / "x"))
    assert name == "ab12"
    expect_full_sort(shard)
    with pytest.raises(InputError, match=r'no array "l15" \(has "b32_img", "l14_img"\)'):
        search_embeddings(QUERIES, replace(shard, array="l15"), "s", 9, "clip")


def test_rows_without_direction_are_counted(tmp_path: Path) -> None:
    features = FEATURES.copy()
    features[[5, 6]] = 0
    write_shard(tmp_path, features=features)
    _, shard = only(web_shards(pool(str(tmp_path)), "pools.web", tmp_path / "x"))
    meta = search_embeddings(QUERIES, shard, "s", 9, "clip").meta
    rows = {"searched": N - 2, "no address": 0, "embedding zero or not finite": 2}
    assert meta == {"rows": rows, "queries_sha256": "i" * 64}


@pytest.mark.parametrize("kind", [pa.binary(), pa.string()])
def test_a_row_whose_address_is_no_utf_8_is_left_out_and_counted(
    shard: WebShard, kind: pa.DataType
) -> None:
    metadata = pq.read_table(shard.metadata)
    bad = b"http://host/caf\xe9" if kind == pa.binary() else "http://host/caf\ufffd".encode()
    urls = [bad, b" ", None, *(f"http://host/{row}".encode() for row in range(3, N))]
    column = pa.array(urls, pa.binary()).cast(kind)
    place = metadata.schema.get_field_index("url")
    pq.write_table(metadata.set_column(place, "url", column), shard.metadata)

    table = search_embeddings(QUERIES, shard, "s", N, "clip")

    rows = {"searched": N - 3, "no address": 3, "embedding zero or not finite": 0}
    assert table.meta["rows"] == rows
    assert {hit.url for hit in table.records} == {f"http://host/{row}" for row in range(3, N)}


def broken(path: str, change: Any) -> None:
    data = Path(path).read_bytes()
    Path(path).write_bytes(change(data))


BROKEN = {
    "dimension": (
        lambda s: np.save(s.path, FEATURES[:, :4]),
        r"img_emb_0\.npy: dimension 4, but encoder clip makes 6; name the encoder that",
    ),
    "rows": (
        lambda s: np.save(s.path, FEATURES[:50]),
        r"img_emb_0\.npy: 50 rows, but .*metadata_0\.parquet has 70; fetch both again",
    ),
    "kind": (
        lambda s: np.save(s.path, np.zeros((N, D), np.int64)),
        r"img_emb_0\.npy: holds int64 of shape \(70, 6\); embeddings are",
    ),
    "order": (lambda s: np.save(s.path, np.asfortranarray(FEATURES)), "column by column"),
    "vector": (lambda s: np.save(s.path, FEATURES[0]), r"of shape \(6,\)"),
    "objects": (lambda s: np.save(s.path, np.array([[{}]])), "holds object"),
    "truncated": (
        lambda s: broken(s.path, lambda data: data[:-9]),
        r"img_emb_0\.npy: ends before row 69; fetch it again",
    ),
    "text": (lambda s: broken(s.path, lambda data: b"hello"), r"not a readable \.npy array"),
    "parquet": (
        lambda s: broken(s.metadata, lambda data: data[:500]),
        r"metadata_0\.parquet: not a readable Parquet file",
    ),
    "column": (
        lambda s: write_metadata(Path(s.metadata), url="address"),
        r'metadata_0\.parquet: no column "url" \(has "address", .*\); set url_column',
    ),
    "gone": (lambda s: Path(s.path).unlink(), r"img_emb_0\.npy: pool shard not found"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_bad_shards_are_named(shard: WebShard, name: str) -> None:
    breaks, match = BROKEN[name]
    breaks(shard)
    with pytest.raises(InputError, match=match):
        search_embeddings(QUERIES, shard, "s", 9, "clip")


# Enumeration


def test_files_pair_by_name_or_number(tmp_path: Path) -> None:
    for number in ("0000", "0001"):
        write_shard(tmp_path, number)
    shards = web_shards(pool(f"{tmp_path}/"), "pools.web", tmp_path / "x")
    assert list(shards) == ["img-emb-0000", "img-emb-0001"]
    assert [Path(s.metadata).name for s in shards.values()] == [
        "metadata_0000.parquet", "metadata_0001.parquet"
    ]  # fmt: skip
    (tmp_path / "metadata/metadata_0001.parquet").unlink()
    with pytest.raises(InputError, match=r"pools\.web: 2 files .* and 1 .*img_emb_0001\.npy has"):
        web_shards(pool(str(tmp_path)), "pools.web", tmp_path / "x")


@pytest.mark.parametrize(
    ("arrays", "tables"),
    [("images", "metadata"), ("img_emb", "laion2B-en-metadata"), ("img_emb", "metadata")],
)
def test_folders_of_laion_are_found(tmp_path: Path, arrays: str, tables: str) -> None:
    write_shard(tmp_path, "0000")
    (tmp_path / "img_emb").rename(tmp_path / arrays)
    (tmp_path / "metadata").rename(tmp_path / tables)
    _, shard = only(web_shards(pool(str(tmp_path)), "pools.web", tmp_path / "x"))
    assert shard.path == f"{tmp_path}/{arrays}/img_emb_0000.npy"
    assert shard.metadata == f"{tmp_path}/{tables}/metadata_0000.parquet"


def test_braces_are_not_looked_up(tmp_path: Path) -> None:
    path, metadata = "s3://nowhere/e_{00..11}.npy", "s3://nowhere/m_{0..11}.parquet"
    shards = web_shards(pool(path, metadata=metadata), "pools.web", tmp_path / "x")
    assert shards["e-07"].path == "s3://nowhere/e_07.npy"
    assert shards["e-07"].metadata == "s3://nowhere/m_7.parquet"
    assert shards["e-07"].local_files == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        (pool("a/*.npy"), r"pools\.web\.metadata: missing"),
        (pool("a", metadata="b"), r"pools\.web\.metadata: is for \.npy or \.npz files"),
        (pool("a.npz", metadata="b"), r"pools\.web\.array: missing; \.npz files hold several"),
        (pool("nowhere"), r"pools\.web\.path: no file matches nowhere/img_emb/\*\.npy"),
        (CaptionPool(layout="captions", path="no/*"), r"pools\.web\.path: no file matches no/\*"),
        (
            CaptionPool(layout="captions", path="{a,b}/x.parquet"),
            r'a/x\.parquet and b/x\.parquet would both be shard "x"',
        ),
    ],
)
def test_bad_settings_are_named(settings: Any, match: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=match):
        web_shards(settings, "pools.web", tmp_path / "x")


def test_a_service_is_one_shard(tmp_path: Path) -> None:
    service = ServicePool(layout="service", url="http://localhost:1", index="laion")
    assert web_shards(service, "pools.web", tmp_path / "x") == {
        "service": WebShard("http://localhost:1")
    }


# S3


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "k")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")


@pytest.fixture
def bucket() -> Iterator[tuple[Any, dict[str, Any]]]:
    """An S3 server on loopback, and the options that lead there."""
    server = pytest.importorskip("moto.server").ThreadedMotoServer(
        "127.0.0.1", port=0, verbose=False
    )
    s3fs = pytest.importorskip("s3fs")
    server.start()
    host, port = server.get_host_and_port()
    options = {"endpoint_url": f"http://{host}:{port}", "anon": False}
    system = s3fs.S3FileSystem(**options)
    system.mkdir("pool")
    yield system, options
    server.stop()


def test_a_bucket_is_searched_and_listed_once(bucket: Any, tmp_path: Path) -> None:
    system, options = bucket
    write_shard(tmp_path / "local")
    system.put(f"{tmp_path}/local/", "pool/laion/", recursive=True)
    remembered = tmp_path / "listings/web.json"
    settings = pool("s3://pool/laion", storage=options)
    shards = web_shards(settings, "pools.web", remembered)
    name, shard = only(shards)
    assert (name, shard.path) == ("img-emb-0", "s3://pool/laion/img_emb/img_emb_0.npy")
    expect_full_sort(shard)

    system.put(f"{tmp_path}/local/img_emb/img_emb_0.npy", "pool/laion/img_emb/img_emb_1.npy")
    assert web_shards(settings, "pools.web", remembered) == shards
    missing = replace(shard, path="s3://pool/laion/img_emb/img_emb_9.npy")
    with pytest.raises(InputError, match=r"img_emb_9\.npy: pool shard not found"):
        search_embeddings(QUERIES, missing, "s", 9, "clip")
    with pytest.raises(InputError, match=r"pools\.web\.path: no file matches s3://pool/none"):
        web_shards(pool("s3://pool/none", storage=options), "pools.web", remembered)


def test_an_endpoint_that_is_down_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("s3fs")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    options = {"endpoint_url": "http://127.0.0.1:9", "anon": False}
    with pytest.raises(InputError, match=r"pools\.web\.path: cannot list s3://pool/laion/img_emb"):
        web_shards(pool("s3://pool/laion", storage=options), "pools.web", tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


def test_rows_without_an_address_take_no_place_among_the_best(tmp_path: Path) -> None:
    write_shard(tmp_path)
    best = np.argsort(-(QUERIES.features.astype(float) @ FEATURES.T.astype(float)), kind="stable")
    lost = {int(best[0, 0]): None, int(best[0, 1]): "", int(best[0, 2]): "  "}
    urls = [lost.get(i, f"http://host/{i}") for i in range(N)]
    pq.write_table(pa.table({"url": urls}), tmp_path / "metadata/metadata_0.parquet")
    _, shard = only(web_shards(pool(str(tmp_path)), "pools.web", tmp_path / "x"))
    table = search_embeddings(QUERIES, shard, "s", 9, "clip")
    for query in range(3):
        left = [row for row in best[query].tolist() if row not in lost][:9]
        assert [hit.url for hit in table.records if hit.query == query] == [
            f"http://host/{row}" for row in left
        ]
    assert table.meta["rows"]["no address"] == 3
