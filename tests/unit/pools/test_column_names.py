"""Pools of several publishers are read without naming their columns."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from susx.core.errors import InputError
from susx.manifests.classes import class_manifest
from susx.pools.web import WebShard
from susx.support.column_names import with_names
from tests.searches import match_captions

LAION = ["SAMPLE_ID", "URL", "TEXT", "HEIGHT", "WIDTH", "LICENSE", "NSFW", "similarity"]
PUBLISHED = {
    "LAION-400M": (LAION, "URL", "TEXT"),
    "LAION-2B": (
        ["SAMPLE_ID", "URL", "TEXT", "HEIGHT", "WIDTH", "NSFW", "similarity", "LANGUAGE", "hash"],
        "URL",
        "TEXT",
    ),
    "LAION-5B embeddings": (
        ["image_path", "caption", "NSFW", "similarity", "LICENSE", "url", "key", "status"],
        "url",
        "caption",
    ),
    "DataComp": (["uid", "url", "text", "original_width", "original_height"], "url", "text"),
    "COYO": (["id", "url", "text", "width", "height", "image_phash", "text_length"], "url", "text"),
    "CC12M": (["url", "caption"], "url", "caption"),
    "RedCaps": (
        ["image_id", "author", "image_url", "raw_caption", "caption"],
        "image_url",
        "caption",
    ),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_columns_of_published_pools_are_found(name: str) -> None:
    there, url, caption = PUBLISHED[name]
    shard = with_names(WebShard("x.parquet"), there, "x.parquet")
    assert (shard.url_column, shard.caption_column) == (url, caption)


def test_a_column_that_is_configured_is_taken() -> None:
    named = WebShard("x", url_column="link", caption_column="alt")
    assert with_names(named, ["URL", "link", "TEXT", "alt"], "x") == named
    with pytest.raises(
        InputError, match=r'^x: no column "alt" \(has "URL", "TEXT"\); set caption_c'
    ):
        with_names(named, ["URL", "TEXT"], "x")


def test_what_is_called_as_usual_wins_and_what_is_ambiguous_is_not_guessed() -> None:
    there = ["url", "URL", "caption", "TEXT"]
    assert with_names(WebShard("x"), there, "x") == WebShard("x")
    there = ["URL", "image_url"]
    assert with_names(WebShard("x"), there, "x") == WebShard("x")
    with pytest.raises(
        InputError, match=r'^x: several columns of texts \(has "url", "text", "TEXT"\)'
    ):
        with_names(WebShard("x"), ["url", "text", "TEXT"], "x")


def test_captions_of_laion_are_searched(tmp_path: Path) -> None:
    columns = {name: ["1"] for name in LAION} | {"URL": ["http://h/1"], "TEXT": ["a fox"]}
    pq.write_table(pa.table(columns), tmp_path / "0.parquet")
    table = match_captions(class_manifest(["fox"]), WebShard(f"{tmp_path}/0.parquet"), "s", 2)
    assert [(c.url, c.caption) for c in table.records] == [("http://h/1", "a fox")]


def test_ambiguous_columns_are_named(tmp_path: Path) -> None:
    columns = {"URL": ["u"], "image_url": ["v"], "caption": ["a fox"]}
    pq.write_table(pa.table(columns), tmp_path / "0.parquet")
    match = r'no column "url" \(has "URL", "image_url", "caption"\); set url_column'
    with pytest.raises(InputError, match=match):
        match_captions(class_manifest(["fox"]), WebShard(f"{tmp_path}/0.parquet"), "s", 2)
