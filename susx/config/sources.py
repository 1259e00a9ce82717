"""Section `sources` of a dataset card: the layouts in which a dataset lies on disk."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from susx.config.registered import Registered, wrong_section
from susx.config.types import Positive, Section, Slug
from susx.core.registry import Registry, imported

Split = Literal["train", "validation", "test"]


def _address(text: str) -> str:
    parts = urlsplit(text)
    if not parts.scheme or not parts.netloc:
        raise ValueError(
            f'"{text}" is no address: give hf://datasets/OWNER/NAME, or a folder as https://...'
        )
    return text


Address = Annotated[str, AfterValidator(_address)]


class SourceBase(Section):
    """What all layouts have in common."""

    name: Slug = Field(description="What results call it.")
    below: list[str] = Field(
        ["."],
        min_length=1,
        description="Folders below the root of the dataset that it may lie in; the first where it "
        "is found counts.",
    )
    expected: dict[Split, Positive] | None = Field(
        None, description="Number of images of its splits, if they are not those of the card."
    )


BASE = "susx.datasets.layouts.base:Layout"
"""What all layouts are derived from."""

LAYOUTS: Registry[Any] = Registry(
    "layout",
    "susx.layouts",
    {
        "class-folders": "susx.datasets.layouts.class_folders:ClassFolders",
        "coop-json": "susx.datasets.layouts.coop_json:CoopSplit",
        "fgvc-lists": "susx.datasets.layouts.fgvc_lists:FgvcLists",
        "cub-lists": "susx.datasets.layouts.cub_lists:CubLists",
        "cifar": "susx.datasets.layouts.cifar:CifarBatches",
        "csv": "susx.datasets.layouts.csv_lists:CsvLists",
        "webdataset": "susx.datasets.layouts.webdataset:WebdatasetShards",
        "parquet": "susx.datasets.layouts.parquet:ParquetShards",
        "ilsvrc": "susx.datasets.layouts.ilsvrc:IlsvrcPlaces",
    },
    lambda name, found: wrong_section(name, found, type, imported(BASE), "layout"),
)
"""Layouts of datasets by name, each its section of a card; one entry adds one."""

AnySource = Annotated[SourceBase, Registered(LAYOUTS, "layout", whole=True)]
