"""Attacks by files: paths, links, pipes, bombs, pickles, code beside a model."""

import hashlib
import io
import json
import os
import pickle
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from susx.config.schema import EncoderSettings
from susx.core.errors import InputError
from susx.datasets import stored
from susx.datasets.layouts import webdataset
from susx.datasets.manifest import image_manifest
from susx.datasets.stored import stored_bytes
from susx.encoders import load_encoder
from susx.images.decode import decode
from susx.images.rgb import UnreadableImage
from susx.manifests.classes import class_manifest
from susx.manifests.tables import ImageRecord, read_table
from susx.pools import shards as pools
from susx.pools.shards import Shard, read_shard
from susx.pools.web import WebShard
from susx.published.tensors import load_tensor
from susx.support.retrieval import Candidate
from susx.support.selection import collect_support
from susx.support.strategies import Selection
from tests.foreign_files import QUERIES, dataset, parquet
from tests.helpers import add_member, image_bytes
from tests.searches import match_captions, search_embeddings

CLASSES = class_manifest(["cat"])
PICTURE = image_bytes((200, 30, 60))
UPWARD = ["../../evil", "/tmp/evil", "a/../../evil", "a\\b\\evil", "C:\\evil", "\x1b[2Jevil", "é\n"]  # noqa: S108


def write_tar(path: Path, members: dict[str, bytes], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as tar:
        for name, data in members.items():
            add_member(tar, name, data)
    return path


# Paths and links


@pytest.mark.parametrize("name", UPWARD)
def test_names_in_a_tar_become_no_paths(tmp_path: Path, name: str) -> None:
    (tmp_path / "in").mkdir()
    path = write_tar(tmp_path / "in/0.tar", {f"{name}.png": PICTURE})
    (sample,) = read_shard(Shard("webdataset", str(path)))
    sha256 = hashlib.sha256(PICTURE).hexdigest()
    candidates = [[Candidate(0, 0, 0.5, "s", sample.key, sha256=sha256)]]
    shards, out = {"s": Shard("webdataset", str(path))}, tmp_path / "in/images.tar"
    made = collect_support(candidates, shards, CLASSES, Selection(1), "lc", out)
    with tarfile.open(out) as tar:
        assert tar.getnames() == ["00000-00000.png"]
    assert [record.key for record in made.records] == ["00000-00000"]
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["0.tar", "images.tar", "in"]


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE]
)
def test_links_and_devices_in_a_tar_are_skipped(tmp_path: Path, kind: bytes) -> None:
    path = write_tar(tmp_path / "0.tar", {"b.png": PICTURE, "b.cls": b"0"})
    with tarfile.open(path, "a") as tar:
        for name in ("a.png", "b.txt", "b.json"):
            link = tarfile.TarInfo(name)
            link.type, link.linkname = kind, "/etc/passwd"
            tar.addfile(link)
    (sample,) = read_shard(Shard("webdataset", str(path)))
    assert (sample.key, sample.caption) == ("b", "")
    assert [record.key for record in dataset("webdataset", order="card")(path).records] == ["0/b"]


def odd_files(folder: Path) -> Path:
    """A good image, and what stands for images but has no end, or none that can be reached."""
    folder.mkdir(parents=True)
    (folder / "good.png").write_bytes(PICTURE)
    os.mkfifo(folder / "pipe.png")
    (folder / "zero.png").symlink_to("/dev/zero")
    (folder / "loop.png").symlink_to("loop.png")
    (folder / "gone.png").symlink_to("nowhere")
    (folder / "good.txt").symlink_to("/dev/zero")
    return folder


def test_pipes_devices_and_loops_among_images_are_unreadable(tmp_path: Path) -> None:
    odd_files(tmp_path / "photos/cat")
    table = image_manifest(tmp_path / "photos", CLASSES)
    assert {Path(record.key).stem: record.reason for record in table.records} == {
        "good": "",
        "pipe": "not a regular file",
        "zero": "not a regular file",
        "loop": "Too many levels of symbolic links",
        "gone": "No such file or directory",
    }


def test_pipes_devices_and_loops_in_a_pool_are_empty(tmp_path: Path) -> None:
    shard = Shard("folder", str(odd_files(tmp_path / "pool")))
    found = {sample.key: (len(sample.image), sample.caption) for sample in read_shard(shard)}
    empty = {f"{name}.png": (0, "") for name in ("gone", "loop", "pipe", "zero")}
    assert found == {"good.png": (len(PICTURE), ""), **empty}


def test_a_null_character_in_a_listed_path_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(PICTURE)
    (tmp_path / "t.csv").write_text("path,label\na.png,cat\nb\0.png,dog\n")
    reasons = [record.reason for record in dataset("csv")(tmp_path / "t.csv").records]
    assert reasons == ["", "not a file name"]


def test_a_file_name_that_is_no_utf_8_is_told(tmp_path: Path) -> None:
    (tmp_path / "photos/cat").mkdir(parents=True)
    Path(os.fsdecode(bytes(tmp_path / "photos/cat") + b"/\xff.png")).write_bytes(PICTURE)
    with pytest.raises(InputError, match=r"\\udcff\.png: the file name is not UTF-8; rename it"):
        image_manifest(tmp_path / "photos", CLASSES)
    (sample,) = read_shard(Shard("folder", str(tmp_path / "photos")))
    assert sample.key == "cat/\\udcff.png"


@pytest.mark.parametrize("name", ["../../up.jpg", "/etc/passwd", "a/../../b"])
def test_a_split_file_leads_nowhere_else(tmp_path: Path, name: str) -> None:
    data = {"train": [], "val": [], "test": [[name, 0, "cat"]]}
    (tmp_path / "split.json").write_text(json.dumps(data))
    with pytest.raises(InputError, match="leads out of the folder of images; remove it"):
        dataset("coop-json", file="split.json")(tmp_path / "split.json")


# Bombs


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz"])
def test_a_member_without_end_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    monkeypatch.setattr(pools, "MAX_BYTES", 100_000)
    path = write_tar(tmp_path / "0.tar", {"a.png": PICTURE, "b.png": b"\0" * 200_000}, mode)
    with pytest.raises(InputError, match=r"0\.tar: not a readable tar \(b\.png has 200000 bytes"):
        list(read_shard(Shard("webdataset", str(path))))


def test_a_member_of_a_dataset_without_end_is_unreadable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webdataset, "MAX_BYTES", 100_000)
    members = {"a.png": PICTURE, "a.cls": b"0", "b.png": b"\0" * 200_000, "b.cls": b"1" * 99}
    path = write_tar(tmp_path / "0.tar", members)
    with pytest.raises(InputError, match=r"b\.cls: label 1111.*, but there are 2 classes"):
        dataset("webdataset", order="card")(path)
    write_tar(path, {**members, "b.cls": b"1"})
    reasons = [record.reason for record in dataset("webdataset", order="card")(path).records]
    assert reasons == ["", "larger than 100000 bytes"]


def test_a_file_without_end_is_unreadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored, "MAX_BYTES", 1000)
    (tmp_path / "a.png").write_bytes(b"\0" * 1001)
    with pytest.raises(OSError, match="larger than 1000 bytes"):
        stored_bytes(str(tmp_path / "a.png"))


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


@pytest.mark.parametrize("kind", [b"zTXt", b"iCCP", b"iTXt"])
def test_text_in_an_image_that_fills_the_memory_is_not_unpacked(kind: bytes) -> None:
    packed = zlib.compress(b"\0" * 80_000_000)
    head = b"x\0\1\0\0\0" if kind == b"iTXt" else b"x\0\0"
    data = PICTURE[:33] + chunk(kind, head + packed) + PICTURE[33:]
    try:
        assert decode(data).size == (40, 30)
    except UnreadableImage as error:
        assert "too large" in str(error)


def test_a_tensor_that_claims_more_than_its_file_holds_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "f.pt"
    torch.save(torch.zeros(1).expand(10**9, 512), path)
    with pytest.raises(InputError, match=r"shape \(1000000000, 512\), of which the file does not"):
        load_tensor(str(path))
    torch.save(
        torch.sparse_coo_tensor([[0], [1]], [1.0], (10**9, 512), check_invariants=False), path
    )
    with pytest.raises(InputError, match=r"shape \(1000000000, 512\), of which the file does not"):
        load_tensor(str(path))


def test_a_compressed_tensor_is_refused_unread(tmp_path: Path) -> None:
    torch.save(torch.zeros(500_000), tmp_path / "plain.pt")
    with (
        zipfile.ZipFile(tmp_path / "plain.pt") as plain,
        zipfile.ZipFile(tmp_path / "f.pt", "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for name in plain.namelist():
            packed.writestr(name, plain.read(name))
    assert (tmp_path / "f.pt").stat().st_size < 20_000
    with pytest.raises(InputError, match="compressed; save the plain tensor"):
        load_tensor(str(tmp_path / "f.pt"))


def test_a_flipped_bit_in_a_tensor_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "f.pt"
    torch.save(torch.full((50,), 1.5), path)
    data = bytearray(path.read_bytes())
    data[data.index(struct.pack("<f", 1.5)) + 2] ^= 1
    path.write_bytes(data)
    assert torch.load(path, weights_only=True)[0] != 1.5
    with pytest.raises(InputError, match="does not fit its checksum; fetch the file again"):
        load_tensor(str(path))


@pytest.mark.parametrize("shape", [(10**15, 6), (-1, 6), (6,), (2, 2**62)])
def test_an_array_that_claims_any_shape_is_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        stream, {"descr": "<f4", "fortran_order": False, "shape": shape}
    )
    (tmp_path / "e.npy").write_bytes(stream.getvalue() + b"\0" * 48)
    (tmp_path / "m.parquet").write_bytes(parquet(url=["http://h/0", "http://h/1"]))
    shard = WebShard(str(tmp_path / "e.npy"), str(tmp_path / "m.parquet"))
    with pytest.raises(InputError, match=r"e\.npy: "):
        search_embeddings(QUERIES, shard, "s", 3, "clip")


# Code


class Evil:
    """Leaves a mark when it is unpickled as usual."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.mark}",)


@pytest.mark.parametrize("packed", [False, True])
def test_pickles_in_arrays_are_not_read(tmp_path: Path, packed: bool) -> None:
    mark, array = tmp_path / "owned", np.array([[Evil(tmp_path / "owned")] * 6], object)
    np.savez(tmp_path / "e.npz", x=array)
    np.save(tmp_path / "e.npy", array)
    (tmp_path / "m.parquet").write_bytes(parquet(url=["http://h/0"]))
    path = tmp_path / ("e.npz" if packed else "e.npy")
    shard = WebShard(str(path), str(tmp_path / "m.parquet"), "x" if packed else "")
    with pytest.raises(InputError, match="holds object of shape"):
        search_embeddings(QUERIES, shard, "s", 3, "clip")
    assert not mark.exists()


class Pickled(pa.ExtensionType):
    """A type whose metadata are a pickle, as pyarrow once had them."""

    def __init__(self, mark: Path) -> None:
        self._mark = mark
        super().__init__(pa.string(), "arrow.py_extension_type")

    def __arrow_ext_serialize__(self) -> bytes:
        return pickle.dumps(Evil(self._mark))

    @classmethod
    def __arrow_ext_deserialize__(cls, storage: Any, data: bytes) -> Any:
        raise NotImplementedError


def test_pickles_in_types_of_parquet_are_not_read(tmp_path: Path) -> None:
    column = pa.ExtensionArray.from_storage(Pickled(tmp_path / "owned"), pa.array(["a cat"]))
    path = tmp_path / "0.parquet"
    pq.write_table(pa.table({"url": ["http://h/0"], "caption": column}), path)
    (found,) = match_captions(CLASSES, WebShard(str(path)), "s", 3).records
    assert found.caption == "a cat"
    with pytest.raises(InputError, match="not a table of ImageRecord"):
        read_table(path, ImageRecord)
    assert not (tmp_path / "owned").exists()


def test_text_of_parquet_that_is_no_utf_8_is_refused(tmp_path: Path) -> None:
    broken = pa.array([b"\xff\xfe cat"]).view(pa.string())
    pq.write_table(pa.table({"url": ["http://h/0"], "caption": broken}), tmp_path / "0.parquet")
    with pytest.raises(InputError, match=r"0\.parquet: not a readable Parquet file .*utf-8"):
        match_captions(CLASSES, WebShard(str(tmp_path / "0.parquet")), "s", 3)


@pytest.mark.parametrize("kind", ["owned", "clip"])
def test_code_beside_a_model_is_not_run(tmp_path: Path, kind: str) -> None:
    mark = tmp_path / "owned"
    code = {"AutoConfig": "evil.Config", "AutoModel": "evil.Model", "AutoTokenizer": "evil.Words"}
    config = {"model_type": kind, "auto_map": code, "architectures": ["Model"]}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"auto_map": code}))
    (tmp_path / "evil.py").write_text(f"open({str(mark)!r}, 'w')\n")
    with pytest.raises(InputError, match=str(tmp_path)):
        load_encoder(EncoderSettings(library="transformers", model=str(tmp_path), device="cpu"))
    assert not mark.exists()


def test_captions_that_are_half_characters_are_kept_as_escapes(tmp_path: Path) -> None:
    record = b'{"caption": "a \\ud800 cat"}'
    path = write_tar(tmp_path / "0.tar", {"a.png": PICTURE, "a.json": record})
    (sample,) = read_shard(Shard("webdataset", str(path)))
    assert sample.caption == "a \\ud800 cat"
    deep = write_tar(tmp_path / "1.tar", {"a.png": PICTURE, "a.json": b"[" * 100_000})
    (sample,) = read_shard(Shard("webdataset", str(deep)))
    assert sample.caption == ""


def test_a_damaged_header_is_not_the_end_of_a_tar(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "0.tar", {"a.png": PICTURE, "b.png": PICTURE})
    data = bytearray(path.read_bytes())
    data[data.index(b"b.png")] ^= 1
    path.write_bytes(data)
    with tarfile.open(path) as tar:
        assert tar.getnames() == ["a.png"]
    with pytest.raises(InputError, match="no end-of-archive mark: truncated or damaged"):
        list(read_shard(Shard("webdataset", str(path))))
    with pytest.raises(InputError, match="no end-of-archive mark: truncated or damaged"):
        dataset("webdataset", order="card")(path)
