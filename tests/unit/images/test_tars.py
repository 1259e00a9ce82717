"""Which files of a tar are images, and which texts belong to them."""

import gzip
import io
import tarfile
from pathlib import Path
from typing import Any

import pytest

from susx.core.errors import InputError
from susx.datasets.sources import split_manifest
from susx.datasets.stored import read_listed
from susx.images import tars
from susx.manifests.classes import class_manifest
from susx.pools.shards import Shard, read_shard
from tests.helpers import add_member, image_bytes

RED, BLUE, GREY = (image_bytes(c, size=(8, 6)) for c in ((200, 3, 6), (3, 3, 200), (99, 99, 99)))
PETS = class_manifest(["cat", "dog"])


def write(path: Path, *members: tuple[str, bytes], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as tar:
        for name, data in members:
            add_member(tar, name, data)
    return path


def samples(path: Path) -> dict[str, tuple[bytes, str]]:
    found = read_shard(Shard("webdataset", str(path)))
    return {sample.key: (sample.image, sample.caption) for sample in found}


def labels(path: Path, **keys: Any) -> dict[str, tuple[bytes, int]]:
    source = {"name": "own", "layout": "webdataset", "order": "card", **keys}
    source["splits"] = {"test": path.name}
    settings = {"source": source, "base": str(path.parent), "split": "test"}
    table = split_manifest(settings, PETS, "images.test")
    return {record.key: (read_listed(record), record.label) for record in table.records}


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz"])
def test_names_with_dots_are_images_of_their_own(tmp_path: Path, mode: str) -> None:
    path = write(
        tmp_path / "0.tar",
        ("Shot 10.15.30.png", RED),
        ("Shot 10.15.30.txt", b"red"),
        ("Shot 10.15.31.png", BLUE),
        ("Shot 10.15.31.txt", b"blue"),
        ("Shot 10.png", GREY),
        mode=mode,
    )
    assert samples(path) == {
        "Shot 10.15.30": (RED, "red"),
        "Shot 10.15.31": (BLUE, "blue"),
        "Shot 10": (GREY, ""),
    }


def test_parts_of_a_sample_do_not_stand_for_its_image(tmp_path: Path) -> None:
    members = ("0.depth.png", GREY), ("0.jpg", RED), ("0.seg.map.png", GREY), ("0.txt", b"red")
    assert samples(write(tmp_path / "0.tar", *members)) == {"0": (RED, "red")}


def test_without_a_plain_image_every_part_is_one(tmp_path: Path) -> None:
    members = ("0.left.png", RED), ("0.right.png", BLUE), ("0.txt", b"pair"), ("0.cls", b"1")
    path = write(tmp_path / "0.tar", *members)
    assert samples(path) == {"0.left": (RED, "pair"), "0.right": (BLUE, "pair")}
    assert labels(path) == {"0/0.left": (RED, 1), "0/0.right": (BLUE, 1)}


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2"])
def test_texts_need_not_follow_their_images(tmp_path: Path, mode: str) -> None:
    members = ("b.txt", b"blue"), ("a.png", RED), ("b.png", BLUE), ("a.TXT", b"red")
    path = write(tmp_path / "0.tar", *members, mode=mode)
    assert samples(path) == {"a": (RED, "red"), "b": (BLUE, "blue")}


def test_hidden_files_are_no_images_and_capitals_no_other_suffix(tmp_path: Path) -> None:
    members = ("._a.jpg", b"x"), ("./a.JPG", RED), ("./a.CLS", b"1 ")
    path = write(tmp_path / "0.tar", ("__MACOSX/._a.jpg", b"x"), *members)
    assert samples(path) == {"a": (RED, "")}
    assert labels(path) == {"0/a": (RED, 1)}
    assert labels(path, label="CLS") == {"0/a": (RED, 1)}


def test_names_that_lead_to_one_place_are_one_sample(tmp_path: Path) -> None:
    members = ("./a.png", RED), ("a.txt", b"red"), ("x/b.png", BLUE), ("./x//./b.txt", b"blue")
    assert samples(write(tmp_path / "0.tar", *members)) == {
        "a": (RED, "red"),
        "x/b": (BLUE, "blue"),
    }


@pytest.mark.parametrize("other", ["a.jpg", "a.PNG", "a.png", "./a.png"])
def test_two_images_of_one_name_are_refused(tmp_path: Path, other: str) -> None:
    path = write(tmp_path / "0.tar", ("a.png", RED), (other, BLUE))
    named = other.removeprefix("./")
    problem = rf"0\.tar: a\.png and {named} are two images of one name; rename or remove one"
    with pytest.raises(InputError, match=problem):
        samples(path)
    with pytest.raises(InputError, match=problem):
        labels(path)


def test_two_texts_of_one_name_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "0.tar", ("a.png", RED), ("a.txt", b"red"), ("a.TXT", b"blue"))
    with pytest.raises(InputError, match=r"0\.tar: a\.TXT is there twice; remove one"):
        samples(path)


def write_sparse(path: Path) -> Path:
    """A sparse file as GNU tar stores one: 512 bytes at offset 0 of 1,024."""
    header = tarfile.TarInfo("a.png")
    header.type, header.size = tarfile.GNUTYPE_SPARSE, 512
    block = bytearray(header.tobuf(tarfile.GNU_FORMAT))
    block[386:410] = b"00000000000\0" + b"00000001000\0"  # the data that is stored
    block[483:495] = b"00000002000\0"  # size of the whole
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    path.write_bytes(bytes(block) + bytes(512) + bytes(1024))
    return path


def test_sparse_files_are_refused(tmp_path: Path) -> None:
    path = write_sparse(tmp_path / "0.tar")
    problem = r"0\.tar: a\.png is a sparse file; pack it without --sparse"
    with pytest.raises(InputError, match=problem):
        samples(path)
    with pytest.raises(InputError, match=problem):
        labels(path)


def test_hard_links_within_a_tar_are_the_files_that_they_name(tmp_path: Path) -> None:
    path = write(tmp_path / "0.tar", ("a.png", RED), ("a.cls", b"1"), ("b.cls", b"0"))
    with tarfile.open(path, "a") as tar:
        link = tarfile.TarInfo("b.png")
        link.type, link.linkname = tarfile.LNKTYPE, "a.png"
        tar.addfile(link)
    assert samples(path) == {"a": (RED, ""), "b": (RED, "")}
    assert labels(path) == {"0/b": (RED, 0), "0/a": (RED, 1)}


def test_files_that_are_no_images_are_counted(tmp_path: Path) -> None:
    members = ("0.png", RED), ("0.cls", b"1"), ("0.depth.png", GREY), ("1.cls", b"1"), ("n", b"")
    path = write(tmp_path / "0.tar", *members)
    with tarfile.open(path) as tar:
        found, n_others = tars.tar_images(tar, ["cls"])
    assert [image.key for image in found] == ["0"]
    assert n_others == 3


def test_texts_are_bounded_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tars, "MOST_TEXT", 5)
    path = write(tmp_path / "0.tar", ("a.png", RED), ("a.txt", b"red"), ("b.txt", b"blue"))
    with pytest.raises(InputError, match=r"0\.tar: .*more than 5 bytes of captions or labels"):
        samples(path)


def test_a_compressed_tar_without_end_mark_is_refused(tmp_path: Path) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        add_member(tar, "a.png", RED)
    size = 512 + -(-len(RED) // 512) * 512
    path = tmp_path / "0.tar"
    path.write_bytes(gzip.compress(stream.getvalue()[:size]))
    with pytest.raises(InputError, match="no end-of-archive mark"):
        samples(path)


def joined(path: Path, packed: bool) -> bytes:
    parts = [
        write(path.with_name(f"{name}.part"), (f"{name}.png", RED), (f"{name}.cls", b"1"))
        for name in "ab"
    ]
    contents = [part.read_bytes() for part in parts]
    return b"".join(map(gzip.compress, contents) if packed else contents)


@pytest.mark.parametrize("packed", [False, True])
def test_joined_tars_are_refused(tmp_path: Path, packed: bool) -> None:
    path = tmp_path / "0.tar"
    path.write_bytes(joined(path, packed))
    problem = r"0\.tar: .*files behind the end-of-archive mark at byte \d+: tars that were joined"
    with pytest.raises(InputError, match=problem):
        samples(path)
    if not packed:
        with pytest.raises(InputError, match=problem):
            labels(path)


def test_a_header_of_zeros_is_not_the_end(tmp_path: Path) -> None:
    path = write(tmp_path / "0.tar", ("a.png", RED), ("b.png", BLUE))
    data = bytearray(path.read_bytes())
    first = data.index(b"b.png")
    data[first : first + 512] = bytes(512)
    path.write_bytes(data)
    with pytest.raises(InputError, match=rf"mark at byte {first}: .* a header that was overw"):
        samples(path)


def test_zeros_at_the_end_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "0.tar", ("a.png", RED))
    path.write_bytes(path.read_bytes() + bytes(3000))
    assert samples(path) == {"a": (RED, "")}
    monkeypatch.setattr(tars, "MOST_ZEROS", 2048)
    monkeypatch.setattr(tars, "STRETCH", 512)
    with pytest.raises(InputError, match="more than 2048 bytes of zeros"):
        samples(path)


def add_link(tar: tarfile.TarFile, name: str, target: str, kind: bytes) -> None:
    link = tarfile.TarInfo(name)
    link.type, link.linkname = kind, target
    tar.addfile(link)


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_links_are_what_they_lead_to_and_others_are_counted(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "0.tar"
    with tarfile.open(path, mode) as tar:
        add_link(tar, "early.png", "./x/a.png", tarfile.LNKTYPE)
        add_member(tar, "./x/a.png", RED)
        add_link(tar, "x/near.png", "a.png", tarfile.SYMTYPE)
        add_link(tar, "y/far.png", "../x/near.png", tarfile.SYMTYPE)
        add_link(tar, "y/far.txt", "../x/note.txt", tarfile.SYMTYPE)
        add_member(tar, "x/note.txt", b"red")
        add_link(tar, "plain", "x/a.png", tarfile.SYMTYPE)
        add_link(tar, "kept.png", ".store/b.png", tarfile.SYMTYPE)
        add_member(tar, ".store/b.png", BLUE)
        add_link(tar, "gone.png", "/etc/passwd", tarfile.SYMTYPE)
        add_link(tar, "lost.png", "nothing.png", tarfile.LNKTYPE)
        add_link(tar, "loop.png", "loop.png", tarfile.SYMTYPE)
    red = {key: (RED, "") for key in ("x/a", "early", "x/near", "plain")}
    assert samples(path) == {**red, "y/far": (RED, "red"), "kept": (BLUE, "")}
    with tarfile.open(path) as tar:
        found, n_others = tars.tar_images(tar, ["txt"])
    assert len(found) == 6
    assert n_others == len({"x/note.txt", "gone.png", "lost.png", "loop.png"})
