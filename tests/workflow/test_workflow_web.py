"""Support sets from pools without images: published embeddings, captions and services."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from susx.cache import read_cache
from susx.manifests import SupportRecord, read_table
from tests.helpers import PROJECTION, unit_rows
from tests.web import Web, serving
from tests.workflow.project import NAMES, Project

pytestmark = pytest.mark.pipeline

FOLDER = "work/tiny/support/lc"
MANIFEST = f"{FOLDER}/manifest.parquet"
ROWS = 60
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


def test_published_embeddings_are_searched_and_downloaded(fresh_project: Project, web: Web) -> None:
    project = fresh_project
    write_pool(project.path("laion"), web)
    use_pool(project, {"layout": "embeddings", "path": "laion", "encoder": "clip"}, encoder=None)
    outcome = project.run(MANIFEST)
    assert outcome.rules == {
        "class_manifest", "prompts", "embed_text", "search_embeddings", "download_support"
    }  # fmt: skip

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
    downloads = table.meta["downloads"]
    assert downloads["n_failed"] == sum(downloads["reasons"].values()) > 0
    assert set(downloads["reasons"]) <= {"HTTP Error 404: Not Found", "HTTP Error 410: Gone"}

    # Once more without the support set: nothing is downloaded again, and it is the same.
    images = project.path(f"{FOLDER}/images.tar").read_bytes()
    web.asked.clear()
    project.path(MANIFEST).unlink()
    project.run(MANIFEST)
    assert not web.asked
    assert project.path(f"{FOLDER}/images.tar").read_bytes() == images
    assert read_table(project.path(MANIFEST), SupportRecord) == table


def test_captions_are_searched_and_downloads_ranked_again(fresh_project: Project, web: Web) -> None:
    project = fresh_project
    project.path("captions").mkdir()
    for shard in (0, 1):
        urls = web.images(*range(100 * shard, 100 * shard + 40))
        captions = [f"{NAMES[i % 3]} no. {i}" for i in range(40)]
        table = pa.table({"url": urls, "caption": captions})
        pq.write_table(table, project.path(f"captions/{shard}.parquet"))
    use_pool(project, {"layout": "captions", "path": "captions/*.parquet"})
    outcome = project.run("cache/clip/tiny/support-lc.h5")
    assert outcome.rules == {
        "class_manifest", "prompts", "embed_text", "match_captions", "download_support",
        "embed_support",
    }  # fmt: skip
    assert 'fewer than 3 images: "apple"' in outcome.output
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
            assert record.score == pytest.approx(cosines[record.key][label], abs=1e-5)
