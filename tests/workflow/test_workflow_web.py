"""Support sets from pools without images: published embeddings, captions and services."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from susx.cache import read_cache
from susx.manifests import SupportRecord, read_table
from tests.helpers import PROJECTION, unit_rows
from tests.web import Web, photo, serving
from tests.workflow.project import NAMES, Project

pytestmark = pytest.mark.pipeline

FOLDER = "work/tiny/support/lc"
MANIFEST = f"{FOLDER}/manifest.parquet"
ROWS = 60
DOWNLOAD = {"allow_private": True, "min_size": 16, "timeout": 2, "candidates": 6}


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
def web() -> Any:
    with serving() as web:
        yield web


def support_of(project: Project) -> list[SupportRecord]:
    records: list[SupportRecord] = read_table(project.path(MANIFEST), SupportRecord).records
    return records


def test_published_embeddings_are_searched_and_downloaded(project: Project, web: Web) -> None:
    write_pool(project.path("laion"), web)
    use_pool(project, {"layout": "embeddings", "path": "laion", "encoder": "clip"}, encoder=None)
    outcome = project.run("results/tiny.json")
    assert outcome.rules == {
        "search_embeddings", "download_support", "embed_support", "evaluate", "collate"
    }  # fmt: skip

    queries = read_cache(project.path("cache/clip/tiny/text-photo.h5"))
    shards = [np.load(project.path(f"laion/img_emb/img_emb_{i}.npy")) for i in (0, 1)]
    scores = queries.features.astype(float) @ np.concatenate(shards).T.astype(float)
    urls = addresses(web, 0) + addresses(web, 1)
    records = support_of(project)
    for label in range(4):
        mine = [record for record in records if record.label == label]
        order = np.argsort(-scores[label], kind="stable")[:18]
        assert [record.url for record in mine] == [urls[i] for i in order]
        assert [r.url for r in mine if r.kept] == [u for u in mine_live(mine)][:3]
    assert all(json.loads(r.metadata)["punsafe"] == 0.0 for r in records)
    counts = project.read_json("results/tiny.json")["supports"]["lc"]
    assert counts["n_kept"] == 12
    downloads = counts["downloads"]
    assert downloads["n_failed"] == sum(downloads["reasons"].values()) > 0
    assert set(downloads["reasons"]) <= {"HTTP Error 404: Not Found", "HTTP Error 410: Gone"}

    # Once more without the support set: nothing is downloaded again, and it is the same.
    before = project.path(f"{FOLDER}/images.tar").read_bytes(), records
    web.asked.clear()
    project.path(MANIFEST).unlink()
    project.run(MANIFEST)
    assert not web.asked
    assert (project.path(f"{FOLDER}/images.tar").read_bytes(), support_of(project)) == before


def mine_live(records: list[SupportRecord]) -> list[str]:
    return [record.url for record in records if "/photo/" in record.url]


def test_bad_pools_are_named(project: Project, web: Web) -> None:
    pool = {"layout": "embeddings", "path": "laion", "encoder": "clip"}
    use_pool(project, pool, encoder=None)
    for dimension, rows, says in (
        (8, ROWS, "dimension 8, but encoder clip makes 16"),
        (PROJECTION, 50, "img_emb_0.npy: 50 rows, but laion/metadata/metadata_0.parquet has 60"),
    ):
        write_pool(project.path("laion"), web, dimension, rows)
        outcome = project.attempt(MANIFEST)
        assert outcome.returncode == 1
        assert says in outcome.output
        assert not project.path(MANIFEST).exists() or photo(1)
    assert not project.hidden_files()


def test_a_server_that_is_down_stops_the_run_and_does_not_spoil_it(
    project: Project, web: Web
) -> None:
    write_pool(project.path("laion"), web)
    use_pool(project, {"layout": "embeddings", "path": "laion", "encoder": "clip"}, encoder=None)
    project.change_config(lambda config: config["download"].update(allow_private=False))
    outcome = project.run(MANIFEST)
    assert 'fewer than 3 images: "zebra"' in outcome.output
    assert not web.asked
