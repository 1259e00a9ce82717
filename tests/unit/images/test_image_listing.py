"""Which files of a folder, a tar or a pool are images, and that none vanishes."""

import errno
import io
import os
import re
import struct
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from susx.artifacts.memory import Memory
from susx.config.pools import Pool
from susx.config.schema import EncoderSettings
from susx.core.errors import InputError
from susx.datasets.manifest import image_manifest
from susx.embeddings.cache import read_cache
from susx.embeddings.embed import embed_shard
from susx.images.decode import decode
from susx.images.kinds import FORMATS, HEAD, added_formats, is_image, kind_of, may_be_image
from susx.images.listing import list_images, unlabelled_images
from susx.images.rgb import UnreadableImage
from susx.images.tars import tar_images
from susx.manifests.classes import class_manifest
from susx.pools.shards import Shard, pool_shards, read_shard
from tests.helpers import add_member, image_bytes

PETS = class_manifest(["cat", "dog"])
PICTURE = image_bytes((200, 30, 60))
HEIC = struct.pack(">I", 24) + b"ftypheic" + bytes(4) + b"mif1heic" + bytes(40)
JXL = b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(40)
JP2 = b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(40)


def write(path: Path, data: bytes = PICTURE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def keys(root: Path) -> list[str]:
    return [image.key for image in unlabelled_images(root, "photos").images]


def refuse(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let a folder not be listed: permissions do not stop the user that tests may run as."""
    real = os.scandir

    def scandir(path: Any) -> Any:
        if Path(path) == folder:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)


def test_images_behind_links_are_listed_and_circles_end(tmp_path: Path) -> None:
    root = tmp_path / "photos"
    write(root / "cat/0.png")
    write(tmp_path / "elsewhere/deep/1.png")
    (root / "dog").symlink_to(tmp_path / "elsewhere")
    (root / "cat/more").symlink_to(tmp_path / "elsewhere/deep")
    (root / "cat/again").symlink_to(root)
    (root / "cat/itself").symlink_to(root / "cat/itself")
    assert keys(root) == ["cat/0.png", "cat/more/1.png", "dog/deep/1.png"]
    table = image_manifest(root, PETS)
    assert [record.key for record in table.records] == keys(root)
    assert [record.label for record in table.records] == [0, 0, 1]
    assert table.meta["n_other_files"] == 1  # the link that leads nowhere
    shard = [sample.key for sample in read_shard(Shard("folder", str(root)))]
    assert shard == keys(root)


def test_a_folder_that_cannot_be_listed_is_an_error_that_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "photos"
    write(root / "cat/0.png")
    write(root / "dog/secret/1.png")
    closed = root / "dog/secret"
    refuse(monkeypatch, closed)
    told = rf"^{re.escape(str(closed))}: the folder cannot be listed \(Permission denied\); allow"
    for ask in (
        lambda: unlabelled_images(root, "photos"),
        lambda: image_manifest(root, PETS),
        lambda: list(list_images(root)),
        lambda: list(read_shard(Shard("folder", str(root)))),
    ):
        with pytest.raises(InputError, match=told):
            ask()


def test_a_folder_of_classes_that_cannot_be_listed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "photos"
    write(root / "cat/0.png")
    refuse(monkeypatch, root)
    with pytest.raises(InputError, match=f"^{re.escape(str(root))}: the folder cannot be listed"):
        image_manifest(root, PETS)


@pytest.mark.parametrize("closed", ["pool", "pool/b"])
def test_a_pattern_that_looks_into_a_closed_folder_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, closed: str
) -> None:
    for name in ("a/0.parquet", "b/1.parquet"):
        write(tmp_path / "pool" / name)
    pool = Pool(layout="parquet", path=f"{tmp_path}/pool/*/*.parquet")
    assert list(pool_shards(pool)) == ["0", "1"]
    refuse(monkeypatch, tmp_path / closed)
    with pytest.raises(InputError, match=f"^{tmp_path / closed}: the folder cannot be listed"):
        pool_shards(pool)


@pytest.mark.parametrize(
    "change",
    [
        lambda root: (root / "dog").mkdir(),
        lambda root: write(root / "cat/.hidden.png"),
        lambda root: write(root / ".cache/x.png"),
        lambda root: write(root / "cat/notes.txt", b""),
        lambda root: write(root / "cat/photo"),
        lambda root: (root / "cat/gone").symlink_to(root / "nowhere"),
    ],
)
def test_what_changes_a_listing_changes_the_identity_of_its_folder(
    tmp_path: Path, change: Any
) -> None:
    root = tmp_path / "photos"
    write(root / "cat/0.png")

    def seen() -> tuple[Any, ...]:
        table = image_manifest(root, PETS)
        listed = unlabelled_images(root, "photos")
        return table.records, table.meta, listed.images, listed.meta

    before, identity = seen(), Memory(tmp_path / "memory").identity(str(root))
    assert seen() == before
    change(root)
    assert seen() != before
    assert Memory(tmp_path / "memory").identity(str(root)) != identity


def test_hidden_folders_are_counted_and_not_looked_into(tmp_path: Path) -> None:
    root = tmp_path / "photos"
    write(root / "cat/0.png")
    for name in ("a", "b", "c"):
        write(root / f".git/{name}.png")
    listed = unlabelled_images(root, "photos")
    assert ([image.key for image in listed.images], listed.meta["n_other_files"]) == (
        ["cat/0.png"],
        1,
    )


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_is_known_by_its_first_bytes(format: str) -> None:
    assert kind_of(image_bytes((1, 2, 3), format=format)[:HEAD]) == format


@pytest.mark.parametrize(
    ("mode", "format", "kind"),
    [
        ("L", "PPM", "PPM"),
        ("1", "PPM", "PPM"),
        ("RGB", "MPO", "JPEG"),
        ("RGB", "JPEG2000", "JPEG 2000"),
    ],
)
def test_variants_are_known_by_their_first_bytes(mode: str, format: str, kind: str) -> None:
    stream = io.BytesIO()
    Image.new(mode, (8, 8)).save(stream, format)
    assert kind_of(stream.getvalue()[:HEAD]) == kind


@pytest.mark.parametrize(
    "head",
    [b"", b"BM is a text", b"P5 is one, too", b"RIFF\0\0\0\0WAVE", b"MM", b"\xff\xd8", b"{}"],
)
def test_other_content_is_no_image(head: bytes) -> None:
    assert kind_of(head) == ""


@pytest.mark.parametrize("name", ["a.jfif", "a.JPG", "a.pbm", "a.heic", "a.jxl", "a.b.png"])
def test_names_of_images(name: str) -> None:
    assert is_image(name)
    assert not may_be_image(name)


@pytest.mark.parametrize("name", [".png", ".a.png", "a.txt", "a.json"])
def test_names_of_others(name: str) -> None:
    assert not is_image(name)
    assert not may_be_image(name)


def test_content_decides_where_the_name_tells_nothing(tmp_path: Path) -> None:
    for name in ("a", "b.0", "c.jfif", "d.orig"):
        write(tmp_path / name)
    write(tmp_path / "e.dat", b"no image")
    write(tmp_path / "f.bin", HEIC)
    listed = unlabelled_images(tmp_path, "photos")
    assert [image.key for image in listed.images] == ["a", "b.0", "c.jfif", "d.orig", "f.bin"]
    assert listed.meta["n_other_files"] == 1


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (HEIC, r"^HEIC, which needs the package pillow-heif: pip install 'susx\[heic\]'$"),
        (JXL, "^JPEG XL, which is not read; convert it to PNG or JPEG$"),
        (b"\xff\x0a" + bytes(40), "^JPEG XL, which is not read; convert it to PNG or JPEG$"),
        (JP2, "^JPEG 2000, which is not read; convert it to PNG or JPEG$"),
        (b"II*\0" + bytes(40), "^TIFF of a kind that Pillow does not read, or broken$"),
    ],
)
def test_formats_that_are_not_read_are_named(
    data: bytes, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(UnreadableImage, match=reason):
        decode(data)


def test_unreadable_formats_of_a_folder_are_counted_with_their_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    write(tmp_path / "cat/0.png")
    write(tmp_path / "cat/1.heic", HEIC)
    write(tmp_path / "dog/2.jxl", JXL)
    table = image_manifest(tmp_path, PETS)
    assert [(record.key, record.reason.partition(",")[0]) for record in table.records] == [
        ("cat/0.png", ""),
        ("cat/1.heic", "HEIC"),
        ("dog/2.jxl", "JPEG XL"),
    ]
    assert table.meta["n_unreadable"] == 2


def test_a_package_that_reads_heic_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    from types import SimpleNamespace

    from PIL import ImageFile

    class Heif(ImageFile.ImageFile):
        format = "HEIF"

        def _open(self) -> None:
            self._mode, self._size = "RGB", (8, 4)

        def load(self) -> Any:
            self.im = Image.new("RGB", self.size, (200, 30, 60)).im
            return super().load()

    def register() -> None:
        Image.register_open("HEIF", Heif, lambda head: head[4:12] == b"ftypheic")

    stand_in = SimpleNamespace(register_heif_opener=register)
    monkeypatch.setitem(sys.modules, "pillow_heif", stand_in)
    monkeypatch.setattr(Image, "OPEN", dict(Image.OPEN))
    monkeypatch.setattr(Image, "ID", list(Image.ID))
    image = decode(HEIC)
    assert (image.size, image.getpixel((0, 0))) == ((8, 4), (200, 30, 60))


def test_formats_are_added_by_packages(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    assert added_formats() == []
    monkeypatch.delitem(sys.modules, "pillow_heif")
    write(tmp_path / "pillow_heif/__init__.py", b"")
    monkeypatch.syspath_prepend(tmp_path)
    assert added_formats() == ["HEIC"]


def tar_of(*members: tuple[str, bytes]) -> tarfile.TarFile:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name, data in members:
            add_member(tar, name, data)
    stream.seek(0)
    return tarfile.open(fileobj=stream)


def found(*members: tuple[str, bytes]) -> tuple[list[str], int]:
    images, others = tar_images(tar_of(*members), ["txt"])
    return [image.key for image in images], others


def test_content_decides_in_tars_where_a_sample_has_no_other_image() -> None:
    assert found(("a.jfif", PICTURE), ("b.0", PICTURE), ("c", PICTURE)) == (["a", "b", "c"], 0)
    assert found(("d/a.heic", HEIC), ("d/b.jxl", JXL)) == (["d/a", "d/b"], 0)
    assert found(("a.jpg", PICTURE), ("a.orig", PICTURE), ("a.x.raw", PICTURE)) == (["a"], 2)
    assert found(("a.bin", b"no image"), ("b.png", PICTURE)) == (["b"], 1)


def test_packed_tars_are_read_alike(tmp_path: Path) -> None:
    path = tmp_path / "0.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for name in ("a", "b.0", "c.png"):
            add_member(tar, name, PICTURE)
    samples = list(read_shard(Shard("webdataset", str(path))))
    assert [(s.key, s.image) for s in samples] == [(key, PICTURE) for key in "abc"]


def test_a_file_that_may_not_be_read_is_told_from_an_empty_one(
    tmp_path: Path, tiny_clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from susx.core import files

    write(tmp_path / "pool/a.png")
    write(tmp_path / "pool/b.png", b"")
    write(tmp_path / "pool/c.png")
    (tmp_path / "pool/d.png").symlink_to(tmp_path / "nowhere")
    real = Path.open

    def opened(path: Path, *given: Any, **options: Any) -> Any:
        if path.name == "c.png":
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(path, *given, **options)

    monkeypatch.setattr(files.Path, "open", opened)
    settings = EncoderSettings(library="transformers", model=str(tiny_clip), device="cpu")
    embed_shard(settings, Shard("folder", str(tmp_path / "pool")), tmp_path / "c.h5", 1)
    cache = read_cache(tmp_path / "c.h5")
    assert cache.keys == ["a.png"]
    assert cache.meta["failed"] == {
        "b.png": "empty file",
        "c.png": "Permission denied",
        "d.png": "No such file or directory",
    }
    assert cache.meta["n_failed"] == 3
