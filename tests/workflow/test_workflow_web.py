"""Support sets from pools without images: published embeddings, captions and services."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from susx.embeddings.cache import read_cache
from susx.manifests.tables import SupportRecord, read_table
from tests.closeness import LANES, assert_close, random_walk
from tests.helpers import PROJECTION, unit_rows
from tests.web import Web, serving
from tests.workflow.project import NAMES, RESULT, Project

pytestmark = pytest.mark.pipeline

FOLDER = "work/tiny/support/lc"
MANIFEST = f"{FOLDER}/manifest.parquet"
ROWS = 60
# Features of images that were embedded twice, their lengths and cosines.
# Features come from the pixels of a patch, a hidden layer and a mean of patches.
ROUNDINGS = random_walk(3 * 8**2 + 32 + 16 + 2 * PROJECTION, LANES)
DOWNLOAD = {"allow_private": True, "min_size": 16, "timeout": 2}


def use_pool(project: Project, pool: dict[str, Any], **support: Any) -> None:
    def change(config: dict[str, Any]) -> None:
        config["pools"]["web"] = pool
        config["supports"]["lc"].update(support)
        config["supports"]["lc"] = {k: v for k, v in config["supports"]["lc"].items() if v}
        config["download"] = DOWNLOAD

    project.change_config(change)


def addresses(web: Web, shard: int) -> list[str]:
    """Two of three links are dead."""
    kinds = ("photo/{}.png", "status/404?{}", "status/410?{}")
    return [f"{web.url}/{kinds[i % 3].format(1000 * shard + i)}" for i in range(ROWS)]


def write_pool(root: Path, web: Web, dimension: int = PROJECTION, rows: int = ROWS) -> None:
    """Two shards, as clip-retrieval writes them."""
    for shard in (0, 1):
        for name in ("img_emb", "metadata"):
            (root / name).mkdir(parents=True, exist_ok=True)
        features = unit_rows(np.random.default_rng(shard), rows, dimension).astype(np.float16)
        np.save(root / f"img_emb/img_emb_{shard}.npy", features)
        table = {
            "url": addresses(web, shard),
            "caption": [f"{NAMES[i % 4]} number {i}" for i in range(ROWS)],
            "similarity": np.linspace(0.2, 0.4, ROWS),
            "punsafe": np.zeros(ROWS),
        }
        pq.write_table(pa.table(table), root / f"metadata/metadata_{shard}.parquet")


@pytest.fixture
def web() -> Iterator[Web]:
    with serving() as web:
        yield web


def test_published_embeddings_are_searched_and_downloaded(project: Project, web: Web) -> None:
    write_pool(project.path("laion"), web)
    use_pool(project, {"layout": "embeddings", "path": "laion", "encoder": "clip"}, encoder=None)
    outcome = project.run(MANIFEST)
    assert outcome.rules == {"search_embeddings", "download_support"}

    queries = read_cache(project.path("cache/clip/tiny/text-photo.h5"))
    shards = [np.load(project.path(f"laion/img_emb/img_emb_{i}.npy")) for i in (0, 1)]
    scores = queries.features.astype(float) @ np.concatenate(shards).T.astype(float)
    urls = addresses(web, 0) + addresses(web, 1)
    table = read_table(project.path(MANIFEST), SupportRecord)
    for label in range(4):
        mine = [record for record in table.records if record.label == label]
        order = np.argsort(-scores[label], kind="stable")[:30]
        assert [record.url for record in mine] == [urls[i] for i in order]
        live = [record.url for record in mine if "/photo/" in record.url]
        assert [record.url for record in mine if record.kept] == live[:3]
    assert all(json.loads(record.metadata)["punsafe"] == 0.0 for record in table.records)
    failed = table.meta["failed"]
    assert table.meta["fates"]["failed"] == sum(failed.values()) > 0
    assert set(failed) <= {"HTTP Error 404: Not Found", "HTTP Error 410: Gone"}

    # Once more without the support set: nothing is downloaded again, and it is the same.
    images = project.path(f"{FOLDER}/images.tar").read_bytes()
    web.asked.clear()
    shutil.rmtree(project.path(MANIFEST).resolve().parent)
    assert project.run(MANIFEST).rules == {"download_support"}
    assert not web.asked
    assert project.path(f"{FOLDER}/images.tar").read_bytes() == images
    assert read_table(project.path(MANIFEST), SupportRecord) == table


def test_an_index_is_searched_and_its_recall_reported(project: Project, web: Web) -> None:
    """A flat index finds what the exact search finds; changes of it search anew."""
    faiss = pytest.importorskip("faiss")
    write_pool(project.path("laion"), web)
    pool = {"layout": "embeddings", "path": "laion", "encoder": "clip"}
    use_pool(project, pool, encoder=None)
    project.run(MANIFEST)
    exact = read_table(project.path(MANIFEST), SupportRecord)

    rows = [np.load(project.path(f"laion/img_emb/img_emb_{i}.npy")) for i in (0, 1)]
    features = np.concatenate(rows).astype(np.float32)
    index = faiss.IndexFlatIP(PROJECTION)
    index.add(features)
    faiss.write_index(index, str(project.path("laion/image.index")))
    use_pool(project, pool | {"index": "laion/image.index"})
    assert project.run(MANIFEST).rules == {"search_index", "download_support"}
    found = read_table(project.path(MANIFEST), SupportRecord)
    told = [(r.label, r.rank, r.caption, r.kept, r.reason, r.url) for r in exact.records]
    assert [(r.label, r.rank, r.caption, r.kept, r.reason, r.url) for r in found.records] == told
    facts = {"recall": 1.0, "k": 30, "rows": 2 * ROWS, "of": 2 * ROWS, "reason": None}
    assert found.meta == exact.meta | {"index": {"image": facts}}

    lists = faiss.index_factory(PROJECTION, "IVF4,Flat", faiss.METRIC_INNER_PRODUCT)
    lists.train(features)
    lists.add(features)
    faiss.write_index(lists, str(project.path("laion/image.index")))
    assert project.run(RESULT).rules >= {"search_index", "download_support", "evaluate"}
    (measured,) = project.read_json(RESULT)["supports"]["lc"]["index"].values()
    assert 0 < measured["recall"] < 1
    use_pool(project, pool | {"index": "laion/image.index", "index_probes": 4})
    assert "search_index" in project.run(MANIFEST).rules
    assert read_table(project.path(MANIFEST), SupportRecord).meta == found.meta


def test_a_service_is_asked_and_its_images_chosen(
    project: Project, web: Web, httpserver: HTTPServer
) -> None:
    """The last of ten images per class is unsafe, and every other one is gone."""

    def answer(request: Request) -> Response:
        asked = json.loads(request.data)
        number = 10 * NAMES.index(asked["text"].removeprefix("a photo of a ").removesuffix("."))
        urls = [web.images(number + i)[0] for i in range(0, 10, 2)]
        urls += [f"{web.url}/status/404?{number + i}" for i in range(1, 9, 2)]
        urls += web.images(number + 9)
        hits = [{"url": url, "similarity": 0.5, "punsafe": url.endswith("9.png")} for url in urls]
        return Response(json.dumps(hits), content_type="application/json")

    httpserver.expect_request("/knn-service", method="POST").respond_with_handler(answer)
    pool = {"layout": "service", "url": httpserver.url_for("/"), "index": "laion"}
    use_pool(project, pool, select="diverse")
    done = project.run(RESULT)
    assert done.rules >= {"query_service", "download_support", "embed_support", "evaluate"}
    counts = project.read_json(RESULT)["supports"]["lc"]
    assert (counts["n_kept"], counts["n_candidates"], counts["short_classes"]) == (12, 40, {})
    assert counts["fates"] == {"kept": 12, "outranked": 8, "refused": 4, "failed": 16}
    assert counts["failed"] == {"HTTP Error 404: Not Found": 16}
    records = read_table(project.path(MANIFEST), SupportRecord).records
    reasons = {record.reason for record in records if not record.kept}
    assert reasons == {"outranked", "refused: punsafe", "HTTP Error 404: Not Found"}
    assert len(httpserver.log) == 4


def test_captions_are_searched_and_downloads_ranked_again(project: Project, web: Web) -> None:
    project.path("captions").mkdir()
    for shard in (0, 1):
        urls = web.images(*range(100 * shard, 100 * shard + 40))
        captions = [f"{NAMES[i % 3]} no. {i}" for i in range(40)]
        table = pa.table({"url": urls, "caption": captions})
        pq.write_table(table, project.path(f"captions/{shard}.parquet"))
    use_pool(project, {"layout": "captions", "path": "captions/*.parquet"})
    project.change_config(lambda config: config["evaluation"]["methods"].append("real-prompt"))
    outcome = project.run(RESULT)
    assert outcome.rules >= {"match_captions", "download_support", "embed_support", "evaluate"}
    assert not outcome.rules & {"embed_shard", "search_shard", "select_support"}
    assert 'fewer than 3 images: "apple"' in outcome.output
    result = project.read_json(RESULT)
    assert result["supports"]["lc"]["short_classes"] == {"apple": 0}
    assert result["supports"]["lc"]["failed"] == {}
    named = result["texts"]["real-prompt"]["sources"]["frequent_names"]
    assert (named["pool"], named["renamed"], named["unmentioned"]) == ("web", {}, ["apple"])
    supported = {run["method"] for run in result["runs"] if run["support"] == "lc"}
    assert supported == {"tip-adapter", "tip-x", "ape", "gda", "fusion"}
    table = read_table(project.path(MANIFEST), SupportRecord)
    assert table.meta["short_classes"] == {"apple": 0}
    support = read_cache(project.path("cache/clip/tiny/support-lc.h5"))
    texts = read_cache(project.path("cache/clip/tiny/text-photo.h5")).features
    cosines = dict(zip(support.keys, support.features @ texts.T, strict=True))
    for label in range(3):
        mine = [record for record in table.records if record.label == label]
        assert all(record.caption.startswith(NAMES[label]) for record in mine)
        judged = [record for record in mine if record.kept or record.reason == "outranked"]
        assert len(judged) == 12
        best = sorted(judged, key=lambda record: -record.score)[:3]
        assert {r.key for r in best} == {record.key for record in mine if record.kept}
        for record in best:
            score = np.float32(record.score)
            assert_close(score, cosines[record.key][label], ROUNDINGS, scale=1)
