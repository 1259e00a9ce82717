"""Files of users and strangers, in every format that is read, for trials that mangle them."""

import io
import json
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from susx.config.cards import load_card
from susx.config.pools import EmbeddingPool
from susx.core.errors import InputError
from susx.datasets.sources import split_manifest
from susx.embeddings.cache import Embeddings
from susx.images.decode import decode
from susx.images.rgb import UnreadableImage
from susx.manifests.classes import class_manifest, read_class_list
from susx.pools.shards import Shard, read_shard
from susx.pools.web import WebShard, web_shards
from susx.prompts.strategies import read_descriptions
from susx.published.tensors import load_tensor
from tests.corruption import Kind
from tests.helpers import add_member, image_bytes, unit_rows
from tests.made.datasets import write_cifar10
from tests.searches import match_captions, search_embeddings

PETS = class_manifest(["cat", "dog"])
PICTURE = image_bytes((200, 30, 60), size=(8, 6))
QUERIES = Embeddings(
    unit_rows(np.random.default_rng(1), 2, 6),
    np.array([0, 1], np.int32),
    ["0/0", "1/0"],
    {"classes_sha256": PETS.sha256, "input_sha256": "i" * 64},
)


@dataclass(frozen=True)
class File:
    """Writes bytes under a name."""

    name: str
    data: bytes

    def __call__(self, folder: Path) -> Path:
        path = folder / self.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.data)
        return path


def tar(mode: str, *names: str) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as archive:
        for name in names or ("a.png", "a.cls", "a.json", "b.png", "b.cls", "b.txt"):
            contents = {"png": PICTURE, "cls": b"1", "txt": b"a cat", "json": b'{"caption": "x"}'}
            add_member(archive, name, contents[name.rsplit(".")[-1]])
    return stream.getvalue()


def parquet(**columns: Any) -> bytes:
    stream = io.BytesIO()
    pq.write_table(pa.table(columns), stream)
    return stream.getvalue()


def pool(layout: str) -> Callable[[Path], Any]:
    return lambda path: list(read_shard(Shard(layout, str(path))))


def dataset(layout: str, **keys: Any) -> Callable[[Path], Any]:
    """Reads a split and decodes its images; the file of the split lies in the base folder."""

    def read(path: Path) -> Any:
        splits = {} if "file" in keys else {"splits": {"test": path.name}}
        source = {"name": "own", "layout": layout, **splits, **keys}
        settings = {"source": source, "base": str(path.parent), "split": "test"}
        return split_manifest(settings, PETS, "images.test")

    return read


def shard(folder: Path) -> WebShard:
    (made,) = web_shards(
        EmbeddingPool(layout="embeddings", path=str(folder), encoder="clip"), "p", folder / "no"
    ).values()
    return made


def _embeddings(folder: Path) -> Path:
    rows = unit_rows(np.random.default_rng(0), 9, 6).astype(np.float16)
    (folder / "img_emb").mkdir()
    np.save(folder / "img_emb/0.npy", rows)
    data = parquet(url=[f"http://h/{i}" for i in range(9)], caption=["a cat"] * 9)
    File("metadata/0.parquet", data)(folder)
    return folder / "img_emb/0.npy"


def _metadata(folder: Path) -> Path:
    _embeddings(folder)
    return folder / "metadata/0.parquet"


def _search(path: Path) -> Any:
    return search_embeddings(QUERIES, shard(path.parent.parent), "s", 3, "clip")


def _npz(folder: Path) -> Path:
    _embeddings(folder)
    rows = np.load(folder / "img_emb/0.npy")
    np.savez_compressed(folder / "e.npz", l14_img=rows)
    return folder / "e.npz"


def _search_npz(path: Path) -> Any:
    metadata = str(path.parent / "metadata/0.parquet")
    return search_embeddings(QUERIES, WebShard(str(path), metadata, "l14_img"), "s", 3, "clip")


def _legacy(folder: Path) -> Path:
    torch.save(torch.ones(4, 8), folder / "f.pt", _use_new_zipfile_serialization=False)
    return folder / "f.pt"


def _cifar(folder: Path) -> Path:
    write_cifar10(folder, [3, 5])
    return folder / "cifar-10-batches-py/test_batch"


def _read_cifar(path: Path) -> Any:
    source = {
        "name": "c",
        "layout": "cifar",
        "meta": "batches.meta",
        "splits": {"test": [path.name]},
    }
    settings = {"source": source, "base": str(path.parent), "split": "test"}
    names = ["airplane", "automobile", "bird", "cat", "deer"]
    names += ["dog", "frog", "horse", "ship", "truck"]
    return split_manifest(settings, class_manifest(names), "images.test")


def _beside(name: str, data: bytes) -> Callable[[Path], Path]:
    """A list, and the image that it names beside it."""

    def write(folder: Path) -> Path:
        File("a.png", PICTURE)(folder)
        return File(name, data)(folder)

    return write


def _decode(path: Path) -> Any:
    try:
        return decode(path.read_bytes()).tobytes()
    except UnreadableImage as error:
        raise InputError(str(error)) from None


COOP = json.dumps({"train": [], "val": [], "test": [["a.png", 1, "dog"]]}).encode()
DESCRIPTIONS = json.dumps({"cat": ["A cat purrs.", "é"], "dog": ["A dog barks."]}).encode()
CARD = b"title: Pets\nclasses:\n  - cat\n  - {name: dog, aliases: [cur]}\nexpected: {test: 2}\n"

FOREIGN = [
    Kind("pool tar", File("0.tar", tar("w")), pool("webdataset")),
    Kind("pool tar, gzip", File("0.tar", tar("w:gz")), pool("webdataset")),
    Kind("pool tar, xz", File("0.tar", tar("w:xz")), pool("webdataset")),
    Kind("pool Parquet", File("0.parquet", parquet(image=[PICTURE] * 2, caption=["a", "b"])),
         pool("parquet")),
    Kind("dataset tar", File("0.tar", tar("w")), dataset("webdataset", order="card")),
    Kind("dataset Parquet", File("0.parquet", parquet(image=[PICTURE] * 2, label=[0, 1])),
         dataset("parquet", order="card")),
    Kind("captions", File("0.parquet", parquet(url=["http://h/0"], caption=["a cat"])),
         lambda path: match_captions(PETS, WebShard(str(path)), "s", 3)),
    Kind("embeddings, .npy", _embeddings, _search),
    Kind("embeddings, metadata", _metadata, _search),
    Kind("embeddings, .npz", _npz, _search_npz),
    Kind("features, old .pt", _legacy, lambda path: load_tensor(str(path)).tolist()),
    Kind("CIFAR batch", _cifar, _read_cifar),
    Kind("split file", _beside("split.json", COOP), dataset("coop-json", file="split.json")),
    Kind("CSV", _beside("t.csv", b"path,label\na.png,cat\n"), dataset("csv")),
    Kind("list of FGVC", _beside("t.txt", b"a dog\n"),
         dataset("fgvc-lists", suffix=".png", images=".")),
    Kind("class list", File("c.txt", "cat\nchâteau\n".encode()),
         lambda path: class_manifest(read_class_list(path))),
    Kind("descriptions", File("d.json", DESCRIPTIONS), lambda path: read_descriptions(path, PETS)),
    Kind("card", File("card.yaml", CARD), load_card),
    *(Kind(f"image, {kind}", File("i", image_bytes((9, 9, 99), format=kind)), _decode)
      for kind in ("PNG", "JPEG", "GIF", "TIFF", "WEBP", "BMP")),
]  # fmt: skip
