"""What the pipeline sees of the demo world: class names, labelled images and a web pool."""

from __future__ import annotations

import io
import re
import tarfile
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from demo.captions import caption
from demo.flags import COUNTRIES, random_country, random_spec
from demo.render import render
from demo.samples import NAMED_SHARE, STREAMS, Sample, generator

SPLITS: Final = ("test", "validation")
POOL_REAL_SHARE: Final = 0.3


def class_names() -> list[str]:
    """The class names, in class order."""
    return [country.name for country in COUNTRIES]


def slug(name: str) -> str:
    """Folder name of a class: lower case, other characters than letters and digits become '-'."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def split_image(split: str, label: int, index: int, seed: int) -> NDArray[np.uint8]:
    """Photo-domain image (64, 64, 3) number `index` of class `label`."""
    if split not in SPLITS:
        raise ValueError(f"unknown split {split!r}: choose from {', '.join(SPLITS)}")
    rng = generator(seed, split, label, index)
    return render(COUNTRIES[label].spec, "photo", rng, cached=True)


def write_images(folder: Path, split: str, per_class: int, seed: int) -> None:
    """Write `per_class` images of every class to `folder/{class slug}/{0000}.png`."""
    for label, name in enumerate(class_names()):
        target = folder / slug(name)
        target.mkdir(parents=True, exist_ok=True)
        for index in range(per_class):
            image = split_image(split, label, index, seed)
            Image.fromarray(image).save(target / f"{index:04d}.png")


def pool_item(shard: int, index: int, seed: int) -> tuple[NDArray[np.uint8], str, int | None]:
    """Web-domain pool image (64, 64, 3), its caption and its true class (None: invented)."""
    rng = generator(seed, "pool", shard, index)
    country = random_country(rng) if rng.random() < POOL_REAL_SHARE else None
    spec = random_spec(rng) if country is None else COUNTRIES[country].spec
    image = render(spec, "web", rng, cached=country is not None)
    named = country is not None and rng.random() < NAMED_SHARE
    return image, caption(Sample(spec, country, named, "web"), rng), country


def _png(image: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="PNG")
    return buffer.getvalue()


def write_pool_shard(path: Path, shard: int, size: int, seed: int) -> None:
    """Write one webdataset tar of `size` pool images: `{key}.png` and `{key}.txt`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # In the stdlib: webdataset's writer, which puts down the same bytes, imports PyTorch.
    with tarfile.open(path, "w|") as tar:
        for index in range(size):
            image, text, _ = pool_item(shard, index, seed)
            for kind, data in (("png", _png(image)), ("txt", text.encode())):
                member = tarfile.TarInfo(f"{shard:05d}{index:06d}.{kind}")
                member.size, member.mode = len(data), 0o444
                member.uname = member.gname = "demo"
                tar.addfile(member, io.BytesIO(data))


__all__ = [
    "SPLITS", "STREAMS", "class_names", "pool_item", "slug", "split_image", "write_images",
    "write_pool_shard",
]  # fmt: skip
