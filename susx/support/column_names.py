"""Columns of published pools, under the names that their publishers gave them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from susx.core.columns import caption_column, only_named
from susx.core.errors import InputError
from susx.pools.web import WebShard

URLS: Final = ("url", "image_url")
"""In any case: of LAION (`URL`), DataComp, COYO, CC12M, img2dataset; and of RedCaps."""
PATHS: Final = ("image_path",)
"""Of clip-retrieval, where it embedded images of a folder."""


def with_names(shard: WebShard, there: Sequence[str], path: str) -> WebShard:
    """The shard with the columns that a file has, where the configuration names none.

    A column that is called as configured, or by default, is taken; else the only one of a known
    name.

    Args:
        shard: with names from the configuration.
        there: columns of the file.
        path: its name, for error messages.

    Raises:
        InputError: if it has paths of images, but no addresses, and the pool no folder for them; or
            if it is not clear which column has its captions.
    """
    usual = WebShard("")
    url = shard.url_column
    if url == usual.url_column:
        known = PATHS if shard.images else URLS
        url = only_named(there, known) or (PATHS[0] if shard.images else url)
        if url not in there and not shard.images and (paths := only_named(there, PATHS)):
            raise InputError(
                f'{path}: has paths of images ("{paths}"), but no addresses; set `images` of the '
                "pool to the folder that they lie in"
            )
    caption = caption_column(shard.caption_column, there, path)
    return replace(shard, url_column=url, caption_column=caption)
