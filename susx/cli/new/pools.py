"""Which layout a pool of images has, by what lies there."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pyarrow.parquet as pq

from susx.config.pools import Pool
from susx.core.columns import only_named
from susx.core.errors import InputError, listing
from susx.images.listing import list_images
from susx.pools.shards import pool_shards
from susx.support.column_names import URLS

SHARDS = (".tar", ".parquet")


def recognise(pool: str) -> dict[str, Any]:
    """Tell the layout of a pool.

    Args:
        pool: folder of images or shards, or shards: braces and wildcards expand.

    Returns:
        The entry of section `pools`.

    Raises:
        InputError: if nothing is there, or nothing that is known.
    """
    pattern = _pattern(pool)
    if not pattern.endswith(SHARDS):
        return {"layout": "folder", "path": pattern}
    layout: Literal["webdataset", "parquet"] = (
        "webdataset" if pattern.endswith(".tar") else "parquet"
    )
    section = {"layout": layout, "path": pattern}
    shards = pool_shards(Pool(layout=layout, path=pattern), pool)
    files = [Path(shard.path) for shard in shards.values()]
    if missing := [path for path in files if not path.is_file()]:
        raise InputError(f"{pool}: not found: {listing(missing)}")
    return section if layout == "webdataset" else {**section, "layout": _parquet_layout(files[0])}


def _pattern(pool: str) -> str:
    folder = Path(pool)
    if pool.endswith(SHARDS):
        return pool
    if not folder.is_dir():
        raise InputError(
            f"{pool}: not a folder; name a folder of images, or shards, such as "
            "my/pool/{000..099}.tar; for the web see docs/pools.md"
        )
    for suffix in SHARDS:
        if any(folder.glob(f"*{suffix}")):
            return f"{pool.rstrip('/')}/*{suffix}"
    if next(list_images(folder), None) is None:
        raise InputError(f"{pool}: no images, tars or Parquet files in this folder")
    return pool


def _parquet_layout(path: Path) -> str:
    try:
        columns = pq.read_schema(path).names
    except Exception as error:  # pyarrow raises many kinds for broken files
        raise InputError(f"{path}: not a Parquet file ({error})") from None
    if "image" in columns:
        return "parquet"
    if only_named(columns, URLS):
        return "captions"
    raise InputError(
        f'{path}: has neither column "image" nor "url", but {listing(columns)}; docs/pools.md '
        "says how columns are named in config.yaml"
    )
