"""Sections of a dataset card on the layouts in which a dataset lies on disk."""

from __future__ import annotations

import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from susx.config.types import Positive, Section, Slug, WithoutRepeats

Split = Literal["train", "validation", "test"]


def _expression(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f'"{text}" is not a regular expression: {error}') from None
    return text


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


class NamedSource(SourceBase):
    """A source that calls the classes by names."""

    names: Annotated[list[str], WithoutRepeats] = Field(
        [],
        description="What it calls the classes, in label order; if left out, their name, slug, "
        "wnid or an alias.",
    )
    strip: Annotated[str, AfterValidator(_expression)] | None = Field(
        None, description="Regular expression of what is cut out of its names of classes."
    )


class ClassFolders(NamedSource):
    """One folder per split with one subfolder per class."""

    layout: Literal["class-folders"] = Field(description="Kind of layout.")
    splits: dict[Split, str] = Field(min_length=1, description="Folder of every split.")


class CoopSplit(NamedSource):
    """A split file as CoOp publishes: JSON lists `[path, label, class name]` under three keys."""

    layout: Literal["coop-json"] = Field(description="Kind of layout.")
    file: str = Field(description="The split file.")
    images: str = Field(".", description="Folder that its paths are relative to.")


class FgvcLists(NamedSource):
    """One text file per split, with an image's identifier and its class per line."""

    layout: Literal["fgvc-lists"] = Field(description="Kind of layout.")
    splits: dict[Split, str] = Field(min_length=1, description="Text file of every split.")
    images: str = Field("images", description="Folder of the images.")
    suffix: str = Field(".jpg", description="What follows the identifier in file names.")


class CifarBatches(NamedSource):
    """Python pickles of pixels and labels, and one with the class names."""

    layout: Literal["cifar"] = Field(description="Kind of layout.")
    splits: dict[Split, list[str]] = Field(min_length=1, description="Files of every split.")
    meta: str = Field(description="File with the class names.")


class CsvLists(NamedSource):
    """One CSV file per split, with columns `path` and `label`; the first line names them."""

    layout: Literal["csv"] = Field(description="Kind of layout.")
    splits: dict[Split, str] = Field(min_length=1, description="CSV file of every split.")
    images: str | None = Field(
        None, description="Folder that paths are relative to; if left out, that of the CSV file."
    )


class Shards(NamedSource):
    """A source that numbers the classes, and mostly says somewhere what they are called."""

    order: Literal["names", "card"] = Field(
        "names",
        description="`names`: the names that the source gives its numbers tell which class is "
        "meant; `card`: the numbers are those of the card, whatever the names are.",
    )
    url: Address | None = Field(
        None,
        description="Where it is published: `hf://datasets/OWNER/NAME`, with `@REVISION` behind it "
        "or not, or the address of a folder.",
    )


class WebdatasetShards(Shards):
    """Uncompressed tars with an image and the number of its class under one key."""

    layout: Literal["webdataset"] = Field(description="Kind of layout.")
    splits: dict[Split, str] = Field(
        min_length=1, description="Tars of every split, as a pattern: `test/*.tar`."
    )
    label: str = Field("cls", description="Suffix of the files that hold numbers of classes.")
    classes: str = Field(
        "classnames.txt",
        description="Text file with the name of a class per line, in the order of the numbers.",
    )


class ParquetShards(Shards):
    """Parquet files with encoded images and numbers of classes, as on the Hugging Face hub.

    What the numbers are called is read from the metadata of the datasets library.
    """

    layout: Literal["parquet"] = Field(description="Kind of layout.")
    splits: dict[Split, str] = Field(
        min_length=1, description="Files of every split, as a pattern: `data/test-*.parquet`."
    )
    image: str = Field("image", description="Column of images: bytes, or a struct with `bytes`.")
    label: str = Field("label", description="Column of numbers or names of classes.")


AnySource = Annotated[
    ClassFolders
    | CoopSplit
    | FgvcLists
    | CifarBatches
    | CsvLists
    | WebdatasetShards
    | ParquetShards,
    Field(discriminator="layout"),
]
