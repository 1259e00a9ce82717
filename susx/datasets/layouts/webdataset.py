"""Uncompressed tars, as webdataset writes them."""

from __future__ import annotations

import errno
import re
from pathlib import Path
from typing import Literal

from pydantic import Field

from susx.config.sources import Split
from susx.core.plain import well_formed
from susx.datasets.layouts.shards import Shards, label_of, listing_of_members, shard_files
from susx.datasets.naming import numbered_indices
from susx.images.decode import MAX_BYTES
from susx.images.listing import ListedImage, Listing
from susx.images.tars import tar_images, uncompressed_tar
from susx.manifests.classes import ClassManifest, read_class_list

IN_TAR = re.compile(r"(.+)#(\d+)-(\d+)")


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

    def labelled_images(
        self, base: Path, split: Split, classes: ClassManifest, origin: str
    ) -> Listing:
        """List the images of a split's tars; labels are numbers in files beside the images.

        Raises:
            InputError: if there is no tar, one is compressed or broken, a label is that of no
                class, or nothing tells which class a number means.
        """
        shards = shard_files(base, self.splits[split], origin)
        file = base / self.classes
        names = [line.strip() for line in read_class_list(file)] if file.exists() else None
        indices = numbered_indices(classes, names, self, str(file if names else shards[0]))
        images: list[ListedImage] = []
        n_others = 0
        for path in shards:
            folder = path.relative_to(base).with_suffix("").as_posix()
            with uncompressed_tar(path) as tar:
                found, others = tar_images(tar, [self.label.lower()])
            n_others += others
            for image in found:
                key, place = well_formed(image.key), f"{path}#{image.offset}-{image.size}"
                origin = f"{path}: {key}.{self.label}"
                label = label_of(image.beside.get(self.label.lower()), origin, indices)
                images.append(ListedImage(f"{folder}/{key}", place, label))
        return listing_of_members(
            sorted(images, key=lambda image: image.label), base, classes, n_others
        )

    @property
    def beside(self) -> list[str]:
        """The names of the classes."""
        return [self.classes]

    @classmethod
    def read(cls, path: str) -> bytes | None:
        """Read an image by `tar#first-size`."""
        found = IN_TAR.fullmatch(path)
        if found is None:
            return None
        with Path(found[1]).open("rb") as stream:
            if int(found[3]) > MAX_BYTES:
                raise OSError(errno.EFBIG, f"larger than {MAX_BYTES} bytes")
            stream.seek(int(found[2]))
            return stream.read(int(found[3]))
