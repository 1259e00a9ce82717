"""Pools whose metadata have paths of images on this machine, as clip-retrieval writes them."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from susx.config.pools import EmbeddingPool
from susx.core.errors import InputError
from susx.embeddings.cache import Embeddings
from susx.manifests.classes import class_manifest
from susx.manifests.tables import Table
from susx.pools.shards import Shard, read_shard
from susx.pools.web import WebShard, web_shards
from susx.support.account import NO_ADDRESS, SEARCHED
from susx.support.download import ImageQuota, collect_downloads, download_images
from susx.support.local_images import local_address
from susx.support.retrieval import merge_candidates
from susx.support.waves import DownloadRules
from tests.searches import search_embeddings
from tests.web import photo

CLASSES = class_manifest(["zebra"])
RULES = DownloadRules(8, 2, 0, "susx-test", ["noai"], True, 5, False, 1, 16, 10.0)
WANTED = ImageQuota(size=3, quota=3, wave_factor=1.0, source="test")
QUERIES = Embeddings(
    np.eye(1, 6),
    np.array([0], np.int32),
    ["0/0"],
    {"classes_sha256": CLASSES.sha256, "input_sha256": "i" * 64},
)
N = 6


@pytest.fixture
def shard(tmp_path: Path) -> WebShard:
    """Six rows, each nearer to the query than the one after it."""
    images = tmp_path / "images"
    (images / "sub").mkdir(parents=True)
    for name in ("img_emb", "metadata"):
        (tmp_path / name).mkdir()
    for number in (1, 2, 3):
        (images / f"sub/ä {number}.png").write_bytes(photo(number))
    (tmp_path / "secret.png").write_bytes(photo(4))
    (images / "link.png").symlink_to(tmp_path / "secret.png")
    angles = np.arange(N) / N
    rows = np.zeros((N, 6), np.float32)
    rows[:, 0], rows[:, 1] = np.cos(angles), np.sin(angles)
    np.save(tmp_path / "img_emb/img_emb_0.npy", rows)
    paths = [
        f"{images}/sub/ä 1.png", f"{tmp_path}/secret.png", f"{images}/link.png", "sub/ä 2.png",
        f"{images}/gone.png", f"{images}/sub/../sub/ä 3.png",
    ]  # fmt: skip
    pq.write_table(pa.table({"image_path": paths}), tmp_path / "metadata/metadata_0.parquet")
    keys = {"layout": "embeddings", "path": str(tmp_path), "encoder": "clip"}
    (made,) = web_shards(
        EmbeddingPool(**keys, images=str(images)), "pools.mine", tmp_path / "x"
    ).values()
    return made


def found(shard: WebShard) -> Table:
    return search_embeddings(QUERIES, shard, "s", 9, "clip")


def supported(shard: WebShard, folder: Path, rules: DownloadRules = RULES) -> Table:
    ranking, _ = merge_candidates([found(shard)], CLASSES, 9)
    outcomes = download_images(ranking, WANTED, rules, folder / "d", shard.images)
    return collect_downloads(ranking, outcomes, CLASSES, WANTED, folder / "images.tar")


def test_paths_below_the_folder_are_addresses_and_others_are_counted(shard: WebShard) -> None:
    table = found(shard)
    assert [hit.key for hit in table.records] == [f"{row:09d}" for row in (0, 2, 3, 4, 5)]
    assert table.records[2].url == "file:sub/%C3%A4%202.png"
    assert table.meta["rows"] == {SEARCHED: 5, NO_ADDRESS: 1, "embedding zero or not finite": 0}


def test_images_are_read_within_their_folder_and_kept_like_downloads(
    shard: WebShard, tmp_path: Path
) -> None:
    table = supported(shard, tmp_path)
    assert [record.reason for record in table.records] == [
        "", "lies outside the folder of images", "", "no such file", ""
    ]  # fmt: skip
    stored = [s.image for s in read_shard(Shard("webdataset", f"{tmp_path}/images.tar"))]
    assert stored == [photo(1), photo(2), photo(3)]
    assert supported(shard, tmp_path) == table


def test_size_limits_hold_for_files(shard: WebShard, tmp_path: Path) -> None:
    (Path(shard.images) / "sub/ä 1.png").write_bytes(bytes(2**20 + 1))
    os.mkfifo(Path(shard.images) / "gone.png")
    table = supported(shard, tmp_path)
    assert table.records[0].reason == "larger than 1048576 bytes"
    assert table.records[3].reason == "no such file"
    small = supported(shard, tmp_path, replace(RULES, min_size=9_999))
    assert small.records[2].reason.startswith("too small")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            lambda s: replace(s, images=""),
            r'has paths of images \("image_path"\), but no addresses',
        ),
        (lambda s: replace(s, images="/nowhere"), "no path of column .* leads into /nowhere"),
    ],
)
def test_a_folder_that_is_missing_or_another_is_named(
    shard: WebShard, change: Callable[[WebShard], WebShard], says: str
) -> None:
    shard = change(shard)
    if shard.images:
        table = pa.table({"image_path": [f"/elsewhere/{n}.png" for n in range(N)]})
        pq.write_table(table, shard.metadata)
    with pytest.raises(InputError, match=rf"metadata_0\.parquet: {says}.*set `images` of the pool"):
        found(shard)


def test_a_folder_that_was_emptied_is_named(shard: WebShard, tmp_path: Path) -> None:
    for path in (Path(shard.images) / "sub").iterdir():
        path.unlink()
    (Path(shard.images) / "link.png").unlink()
    with pytest.raises(InputError, match=r"none of 3 .* see whether the images lie in .*/images"):
        supported(shard, tmp_path)


@pytest.mark.parametrize("path", ["", " ", "../x", "/images2/x", "a/../../x", "/images", "x\0y", 7])
def test_other_paths_are_no_addresses(path: object) -> None:
    assert local_address(path, "/images") == ""


def test_settings_of_pools_of_the_web_have_no_folder() -> None:
    assert "images" not in WebShard("x").settings
    assert WebShard(**WebShard("x").settings) == WebShard("x")
    assert WebShard(**WebShard("x", images="y").settings) == WebShard("x", images="y")
