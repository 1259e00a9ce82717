"""Images as they really lie in the datasets: other formats, odd modes, broken files."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from susx.datasets.manifest import describe
from susx.datasets.stored import read_listed
from susx.images.decode import decode
from susx.manifests.tables import Table
from tests.helpers import image_bytes
from tests.made.datasets import RED, manifest_of, reasons, write_image, write_split_file


def encoded(image: Image.Image, format: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format=format, **options)
    return stream.getvalue()


def jpeg_with_exif(block: bytes) -> bytes:
    """A JPEG with a block of EXIF data right after its start."""
    data = image_bytes(RED, format="JPEG")
    segment = b"Exif\0\0" + block
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + data[2:]


def huge_png() -> bytes:
    """A PNG of 200 megapixels, in few bytes."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    header = struct.pack(">IIBBBBB", 20_000, 10_000, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0"))


ODD = {
    "png": image_bytes(RED, format="PNG"),
    "gif": image_bytes(RED, format="GIF"),
    "bmp": image_bytes(RED, format="BMP"),
    "webp": image_bytes(RED, format="WEBP"),
    "cmyk": encoded(Image.new("RGB", (40, 30), RED).convert("CMYK"), "JPEG"),
    "palette": encoded(Image.new("RGB", (40, 30), RED).convert("P"), "PNG"),
    "transparent": encoded(Image.new("RGBA", (40, 30), (*RED, 0)), "PNG"),
    "exif": jpeg_with_exif(b"\xff" * 40),
    "exif-tiff": jpeg_with_exif(b"MM\0*\0\0\0\x08\xff\xff" + b"\x01\x12\0\x02\xff\xff\xff\xff" * 3),
}
GRAY = {
    "gray": encoded(Image.new("L", (40, 30), 90), "JPEG"),
    "gray-alpha": encoded(Image.new("LA", (40, 30), (90, 0)), "PNG"),
}
BROKEN = {
    "truncated": (image_bytes(RED, size=(200, 200), format="JPEG")[:900], "truncated"),
    "truncated-png": (image_bytes(RED, size=(64, 64))[:900], "truncated"),
    "empty": (b"", "empty file"),
    "page": (b"<html>404 Not Found</html>", "not an image of a known format"),
    "matlab": (b"MATLAB 5.0 MAT-file" + b"\0" * 200, "not an image of a known format"),
    "huge": (huge_png(), "more than 178956970 pixels"),
}


def sun397(root: Path, files: dict[str, bytes]) -> Table:
    """The test images of a SUN397 whose files are all called .jpg."""
    rows = [(f"a/apse/indoor/sun_{name}.jpg", 0, "abbey") for name in files]
    write_split_file(root / "split_zhou_SUN397.json", root / "SUN397", test=rows)
    for name, data in files.items():
        (root / f"SUN397/a/apse/indoor/sun_{name}.jpg").write_bytes(data)
    return manifest_of("sun397", root)


@pytest.mark.parametrize("name", ODD)
def test_other_formats_and_modes_keep_their_colour_under_jpg(name: str, tmp_path: Path) -> None:
    (record,) = sun397(tmp_path, {name: ODD[name]}).records
    assert (record.reason, record.width, record.height) == ("", 40, 30)
    image = decode(read_listed(record))
    assert image.mode == "RGB"
    assert np.abs(np.asarray(image).mean(axis=(0, 1)) - RED).max() < 20


@pytest.mark.parametrize("name", GRAY)
def test_gray_images_get_three_equal_channels(name: str, tmp_path: Path) -> None:
    (record,) = sun397(tmp_path, {name: GRAY[name]}).records
    pixels = np.asarray(decode(read_listed(record)))
    assert pixels.shape == (30, 40, 3)
    assert (np.abs(pixels.astype(int) - 90) <= 1).all()


def test_broken_images_keep_their_rows_with_the_reason(tmp_path: Path) -> None:
    files = {name: data for name, (data, _) in BROKEN.items()}
    table = sun397(tmp_path, {"good": ODD["png"], **files})
    found = reasons(table)
    assert len(table.records) == 1 + len(BROKEN)
    assert table.meta["n_unreadable"] == len(found) == len(BROKEN)
    for name, (_, reason) in BROKEN.items():
        assert reason in found[f"a/apse/indoor/sun_{name}.jpg"]
    assert {record.label for record in table.records} == {0}


def test_png_called_jpeg_is_read_in_wnid_folders(tmp_path: Path) -> None:
    write_image(tmp_path / "val/n02105855/n02105855_2933.JPEG", format="PNG")
    (record,) = manifest_of("imagenet", tmp_path).records
    assert (record.reason, record.class_name) == ("", "Shetland Sheepdog")


def test_stray_files_of_caltech256_are_no_images_of_a_split(tmp_path: Path) -> None:
    images = tmp_path / "256_ObjectCategories"
    row = ("198.spider/198_0001.jpg", 197, "198.spider")
    write_split_file(tmp_path / "split_Caltech256.json", images, test=[row])
    (images / "198.spider/RENAME2").write_text("mv", "utf-8")
    write_image(images / "056.dog/greg/vision309/056_0001.jpg")
    table = manifest_of("caltech256", tmp_path)
    assert [record.key for record in table.records] == [row[0]]
    assert describe(table).startswith("1 images, 0 unreadable; no images of ")


def test_matlab_files_among_the_images_of_pets_are_ignored(tmp_path: Path) -> None:
    row = ("Abyssinian_100.jpg", 0, "abyssinian")
    write_split_file(tmp_path / "split_zhou_OxfordPets.json", tmp_path / "images", test=[row])
    (tmp_path / "images/Abyssinian_100.mat").write_bytes(b"MATLAB 5.0")
    assert [record.key for record in manifest_of("oxfordpets", tmp_path).records] == [row[0]]


def test_files_of_ucf101_may_be_spelt_otherwise_than_their_folder(tmp_path: Path) -> None:
    row = ("Handstand_Pushups/v_HandStandPushups_g01_c01.jpg", 36, "Handstand_Pushups")
    folder = tmp_path / "UCF-101-midframes"
    write_split_file(tmp_path / "split_zhou_UCF101.json", folder, test=[row])
    (record,) = manifest_of("ucf101", tmp_path).records
    assert (record.key, record.class_name) == (row[0], "Handstand Pushups")
