"""A pool of one zip file with images, and a JSON object of their captions in it."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import Field

from susx.config.types import FilePath, Section
from susx.core.errors import InputError
from susx.images.kinds import is_image
from susx.pools.shards import PoolLayout, Sample, Shard


class ZipPool(Section):
    """A zip file of images."""

    layout: Literal["zip"] = Field(description="Kind of layout.")
    path: FilePath = Field(description="The zip file.")
    captions: str = Field("captions.json", description="Member with the captions by image.")


def shards(pool: ZipPool, origin: str) -> dict[str, Shard]:
    """One shard, which is the file."""
    return {Path(pool.path).stem: Shard("zip", pool.path, options={"captions": pool.captions})}


def read(shard: Shard) -> Iterator[Sample]:
    """Stream its images by name.

    Raises:
        InputError: if the file is broken.
    """
    try:
        with zipfile.ZipFile(shard.path) as file:
            captions = json.loads(file.read(shard.options["captions"]))
            for name in sorted(filter(is_image, file.namelist())):
                yield Sample(name, file.read(name), captions.get(name, ""))
    except (KeyError, ValueError, zipfile.BadZipFile) as error:
        raise InputError(f"{shard.path}: not a readable zip file of images ({error})") from None


ZIP = PoolLayout(ZipPool, shards, read)
