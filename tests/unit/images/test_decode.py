"""Decoding image bytes."""

import io
import random
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from susx.images import decode as images
from susx.images.decode import decode
from susx.images.kinds import FORMATS
from susx.images.rgb import UnreadableImage
from tests.helpers import image_bytes

RED = (200, 30, 60)


def encoded(image: Image.Image, format: str = "PNG", **options) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format=format, **options)
    return stream.getvalue()


def png_chunk(name: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(name + data)
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", checksum)


def png_promising(width: int, height: int) -> bytes:
    """A PNG whose header promises more pixels than it has."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"\0" * 100)
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", pixels)


@pytest.mark.parametrize("format", FORMATS)
def test_known_formats_are_decoded_to_rgb(format: str) -> None:
    image = decode(image_bytes(RED, format=format))
    assert (image.mode, image.size) == ("RGB", (40, 30))
    assert np.abs(np.asarray(image).mean(axis=(0, 1)) - RED).max() < 12


@pytest.mark.parametrize("format", ["BMP", "PNG", "PPM", "TIFF"])
def test_lossless_formats_keep_every_pixel(format: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (7, 5, 3), dtype=np.uint8)
    assert (np.asarray(decode(encoded(Image.fromarray(pixels), format))) == pixels).all()


def test_grayscale_gets_three_equal_channels() -> None:
    gray = np.arange(48, dtype=np.uint8).reshape(6, 8)
    pixels = np.asarray(decode(encoded(Image.fromarray(gray))))
    assert (pixels == gray[..., None]).all()


def test_bilevel_becomes_black_and_white() -> None:
    pixels = np.asarray(decode(encoded(Image.new("1", (4, 4), 1))))
    assert (pixels == 255).all()


def test_cmyk_jpeg_keeps_its_colour() -> None:
    data = encoded(Image.new("RGB", (32, 32), RED).convert("CMYK"), "JPEG", quality=95)
    image = decode(data)
    assert image.mode == "RGB"
    assert np.abs(np.asarray(image).mean(axis=(0, 1)) - RED).max() < 12


def test_palette_with_transparency_keeps_its_colours() -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, *RED])
    image.putdata([0, 1])
    decoded = decode(encoded(image, transparency=0))
    assert decoded.mode == "RGB"
    assert [decoded.getpixel((x, 0)) for x in range(2)] == [(10, 20, 30), RED]


def test_alpha_is_dropped() -> None:
    decoded = decode(encoded(Image.new("RGBA", (2, 2), (*RED, 0))))
    assert decoded.getpixel((0, 0)) == RED


def test_sixteen_bit_grayscale_keeps_its_contrast() -> None:
    ramp = np.linspace(0, 65535, 64).astype(np.uint16).reshape(8, 8)
    pixels = np.asarray(decode(encoded(Image.fromarray(ramp)))).astype(int)
    assert np.abs(pixels[..., 0] - (ramp >> 8)).max() <= 1


def test_one_pixel_is_enough() -> None:
    decoded = decode(image_bytes(RED, size=(1, 1)))
    assert decoded.size == (1, 1)


def test_first_frame_of_an_animation_is_taken() -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in (RED, (0, 0, 255))]
    decoded = decode(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]))
    assert np.abs(np.asarray(decoded)[0, 0].astype(int) - RED).max() < 12


def test_exif_rotation_is_not_applied() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert decode(encoded(Image.new("RGB", (8, 4)), "JPEG", exif=exif)).size == (8, 4)


def test_multi_picture_jpeg_is_decoded() -> None:
    image = Image.new("RGB", (16, 16), RED)
    data = encoded(image, "MPO", save_all=True, append_images=[image])
    assert np.abs(np.asarray(decode(data)).mean(axis=(0, 1)) - RED).max() < 12


def test_empty_file_is_unreadable() -> None:
    with pytest.raises(UnreadableImage, match=r"^empty file$"):
        decode(b"")


@pytest.mark.parametrize(
    "data", [b"not an image", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"\0" * 100]
)
def test_other_content_is_unreadable(data: bytes) -> None:
    with pytest.raises(UnreadableImage, match="not an image of a known format"):
        decode(data)


def test_formats_that_run_other_programs_are_not_opened() -> None:
    eps = encoded(Image.new("RGB", (8, 8)), "EPS")
    with pytest.raises(UnreadableImage, match="not an image of a known format"):
        decode(eps)


@pytest.mark.parametrize("format", FORMATS)
def test_truncated_image_is_unreadable(format: str) -> None:
    data = image_bytes(RED, size=(64, 64), format=format)
    with pytest.raises(UnreadableImage):
        decode(data[: len(data) // 2])


@pytest.mark.parametrize("format", FORMATS)
def test_damaged_images_are_decoded_or_unreadable(format: str) -> None:
    data = image_bytes(RED, format=format)
    source = random.Random(format)
    for _ in range(60):
        damaged = bytearray(data)
        for _ in range(source.randint(1, 6)):
            damaged[source.randrange(min(len(data), 300))] = source.randrange(256)
        try:
            assert decode(bytes(damaged)).mode == "RGB"
        except UnreadableImage as error:
            assert str(error)


@pytest.mark.parametrize("side", [20_000, 2_000_000])
def test_image_that_would_fill_the_memory_is_refused_unread(side: int) -> None:
    with pytest.raises(UnreadableImage, match=f"more than {images.MAX_PIXELS} pixels"):
        decode(png_promising(side, side))


def test_pixel_limit_is_inclusive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "MAX_PIXELS", 1200)
    assert decode(image_bytes(RED, size=(40, 30))).size == (40, 30)
    with pytest.raises(UnreadableImage, match="more than 1200 pixels"):
        decode(image_bytes(RED, size=(41, 30)))


def test_stated_pixel_limit_is_the_one_applied(monkeypatch: pytest.MonkeyPatch) -> None:
    factor = images.MAX_PIXELS / Image.MAX_IMAGE_PIXELS
    monkeypatch.setattr(images, "MAX_PIXELS", 1200)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", round(1200 / factor))
    assert decode(image_bytes(RED, size=(40, 30))).size == (40, 30)
