"""Colours: deep grey levels, transparency, orientation, and how much memory they may take."""

import io
import shutil
import struct
import subprocess
import sys
import tracemalloc
import zlib
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

from susx.config.schema import EncoderSettings
from susx.embeddings.prepare import Item, decoded_image, prepared
from susx.encoders import load_encoder
from susx.encoders.protocol import Encoder
from susx.images import decode as images
from susx.images.decode import decode
from susx.images.rgb import DEEP, SIXTEEN, STRIP, Reading, UnreadableImage, as_rgb
from tests.unit.images.test_decode import encoded, png_promising

WHITE = Reading(white=True)
SHORT, LONG, DOUBLE = 3, 4, 12
TYPES = {SHORT: "H", LONG: "I", DOUBLE: "d"}


def tiff(
    pixels: bytes, width: int, height: int, tags: dict[int, tuple[int, float]], order: str = "<"
) -> bytes:
    """An uncompressed TIFF of one strip; tags are pairs of type and value."""
    own = {
        256: (LONG, width),
        257: (LONG, height),
        259: (SHORT, 1),
        277: (SHORT, 1),
        278: (LONG, height),
        279: (LONG, len(pixels)),
    }
    entries = sorted((own | tags | {273: (LONG, 0)}).items())
    beyond = 8 + 2 + 12 * len(entries) + 4
    far, table = b"", struct.pack(f"{order}H", len(entries))
    n_doubles = sum(kind == DOUBLE for _, (kind, _) in entries)
    for name, (kind, given) in entries:
        value: Any = beyond + 8 * n_doubles if name == 273 else given
        table += struct.pack(f"{order}HHI", name, kind, 1)
        if kind == DOUBLE:
            table += struct.pack(f"{order}I", beyond + len(far))
            far += struct.pack(f"{order}d", value)
        else:
            table += struct.pack(f"{order}{TYPES[kind]}", value).ljust(4, b"\0")
    mark = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8)
    return mark + table + struct.pack(f"{order}I", 0) + far + pixels


def grey_tiff(
    values: list[float],
    dtype: str,
    bits: int,
    kind: int = 1,
    photometric: int = 1,
    declared: tuple[float, float] | None = None,
    order: str = "<",
) -> bytes:
    tags: dict[int, tuple[int, float]] = {
        258: (SHORT, bits),
        262: (SHORT, photometric),
        339: (SHORT, kind),
    }
    if declared:
        tags |= {340: (DOUBLE, declared[0]), 341: (DOUBLE, declared[1])}
    return tiff(np.array(values, dtype).tobytes(), len(values), 1, tags, order)


def shades(data: bytes) -> list[int]:
    """Grey levels of the first row."""
    pixels = np.asarray(decode(data))
    assert (pixels == pixels[..., :1]).all()
    return [int(level) for level in pixels[0, :, 0]]


@pytest.mark.parametrize("maxval", [1023, 4095, 16383, 65535])
def test_deep_pgm_is_scaled_by_its_maxval(maxval: int) -> None:
    values = np.array([0, maxval // 3, maxval // 2, maxval], ">u2")
    header = f"P5 4 1 {maxval}\n".encode()
    plain = f"P2 4 1 {maxval}\n{' '.join(map(str, values))}\n".encode()
    expected = [round(float(value) * 255 / maxval) for value in values]
    assert shades(header + values.tobytes()) == expected
    assert shades(plain) == expected


def test_sixteen_bits_are_black_at_nought_and_white_at_their_most() -> None:
    values = [0, 128, 129, 257, 30_000, 65_535]
    expected = [0, 0, 1, 1, 117, 255]  # value / 257, rounded
    assert shades(encoded(Image.fromarray(np.array([values], np.uint16)))) == expected
    for order in "<>":
        assert shades(grey_tiff(values, f"{order}u2", 16, order=order)) == expected


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_deflate"])
def test_compressed_tiffs_are_scaled_alike(compression: str | None) -> None:
    picture = Image.fromarray(np.array([[0, 30_000, 65_535]], np.uint16))
    assert shades(encoded(picture, "TIFF", compression=compression)) == [0, 117, 255]


def test_twelve_bits_are_scaled_by_their_number() -> None:
    packed = bytes([0x00, 0x08, 0x00, 0xFF, 0xFF, 0xFF])  # 0, 2048, 4095, 4095
    tags = {258: (SHORT, 12), 262: (SHORT, 1)}
    assert shades(tiff(packed, 4, 1, tags)) == [0, 128, 255, 255]


def test_white_may_be_nought() -> None:
    assert shades(grey_tiff([0, 30_000, 65_535], "<u2", 16, photometric=0)) == [255, 138, 0]
    assert shades(grey_tiff([0, 200, 255], "<u1", 8, photometric=0)) == [255, 55, 0]
    floats = grey_tiff([0, 0.2, 1], "<f4", 32, 3, photometric=0, declared=(0, 1))
    assert shades(floats) == [255, 204, 0]


@pytest.mark.parametrize(
    ("values", "dtype", "bits", "kind", "declared", "expected"),
    [
        ([0, 1023, 341], "<u2", 16, 1, (0, 1023), [0, 255, 85]),
        ([0, 2**31, 2**32 - 1], "<u4", 32, 1, None, [0, 128, 255]),
        ([-1000, 0, 1000], "<i2", 16, 2, (-1000, 1000), [0, 128, 255]),
        ([-1000, 0, 1000], "<i4", 32, 2, (-1000, 1000), [0, 128, 255]),
        ([-128, 0, 127], "<i1", 8, 2, (-128, 127), [0, 128, 255]),
        ([0, 0.2, 1], "<f4", 32, 3, (0, 1), [0, 51, 255]),
        ([-5, 0.2, 7], "<f4", 32, 3, (0, 1), [0, 51, 255]),
    ],
)
def test_a_declared_range_is_kept_to(
    values: list[float],
    dtype: str,
    bits: int,
    kind: int,
    declared: tuple[float, float] | None,
    expected: list[int],
) -> None:
    assert shades(grey_tiff(values, dtype, bits, kind, declared=declared)) == expected


@pytest.mark.parametrize(
    ("dtype", "bits", "kind"),
    [("<i2", 16, 2), (">i2", 16, 2), ("<i4", 32, 2), ("<f4", 32, 3), ("<i1", 8, 2)],
)
def test_levels_without_a_declared_range_are_refused_by_name(
    dtype: str, bits: int, kind: int
) -> None:
    data = grey_tiff([0, 1], dtype, bits, kind, order=dtype[0])
    with pytest.raises(UnreadableImage, match=f"^grey levels of {bits} bits .*SampleFormat {kind}"):
        decode(data)


def test_ranges_that_are_none_and_levels_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(UnreadableImage, match="declared range is 1 to 1"):
        decode(grey_tiff([0, 1], "<f4", 32, 3, declared=(1, 1)))
    with pytest.raises(UnreadableImage, match="declared range is 0 to inf"):
        decode(grey_tiff([0, 1], "<f4", 32, 3, declared=(0, float("inf"))))
    with pytest.raises(UnreadableImage, match="no numbers"):
        decode(grey_tiff([0, float("nan")], "<f4", 32, 3, declared=(0, 1)))
    with pytest.raises(UnreadableImage, match="floating-point numbers without a declared range"):
        decode(encoded(Image.new("F", (2, 2)), "PPM"))


def test_pictures_of_a_caller_have_a_range_or_are_refused() -> None:
    values = np.array([[0, 30_000, 65_535]], np.uint16)
    assert np.asarray(decoded_image(Image.fromarray(values)))[0, :, 0].tolist() == [0, 117, 255]
    big = Image.frombytes("I;16B", (3, 1), values.astype(">u2").tobytes())
    assert np.asarray(decoded_image(big))[0, :, 0].tolist() == [0, 117, 255]
    for mode in DEEP - SIXTEEN:
        with pytest.raises(UnreadableImage, match="without a declared range"):
            decoded_image(Image.new(mode, (2, 2)))


def test_images_of_many_strips_are_converted_like_small_ones() -> None:
    width = 700
    height = 2 * (STRIP // width) + 3  # two whole strips and three rows
    values = np.arange(height * width, dtype=np.uint32).reshape(height, width) % 65_536
    made = np.asarray(as_rgb(Image.fromarray(values.astype(np.uint16))))
    assert (made == np.rint(values / 257).astype(np.uint8)[..., None]).all()


def transparent(mode: str) -> Image.Image:
    """A disc on a transparent ground that is black, grey or red beneath."""
    rows, columns = np.mgrid[:40, :60]
    inside = (rows - 20) ** 2 + (columns - 30) ** 2 < 200
    colours = np.where(inside[..., None], (20, 160, 230), (200, 30, 60)).astype(np.uint8)
    alpha = np.where(inside, 255, np.where(columns < 10, 128, 0)).astype(np.uint8)
    image = Image.fromarray(np.dstack([colours, alpha]))
    if mode == "RGBA":
        return image
    if mode == "P of bytes":
        palette = image.convert("RGB").quantize(8)
        return reopened(palette, transparency=bytes([0, 128, *[255] * 6]))
    plain = image.convert(mode)
    if mode == "P":
        return reopened(plain, transparency=plain.getpixel((0, 0)))
    if mode in ("L", "RGB", "1"):
        return reopened(plain, transparency=plain.getpixel((0, 0)))
    return plain


def reopened(image: Image.Image, **options: Any) -> Image.Image:
    stored = Image.open(io.BytesIO(encoded(image, **options)))
    stored.load()
    return stored


TRANSPARENT = ("RGBA", "LA", "PA", "P", "P of bytes", "L", "RGB", "1")
PROCESSORS = (CLIPImageProcessorPil, SiglipImageProcessorPil)


@pytest.mark.parametrize(("mode", "kind"), list(product(TRANSPARENT, PROCESSORS)))
def test_transparency_is_laid_over_white_as_by_transformers(mode: str, kind: Any) -> None:
    image = transparent(mode)
    processor = kind()
    expected = processor(image, return_tensors="pt")["pixel_values"]
    made = processor(as_rgb(image, WHITE), return_tensors="pt")["pixel_values"]
    assert torch.equal(made, expected)
    assert (np.asarray(as_rgb(image, WHITE)) != np.asarray(as_rgb(image))).any()


@pytest.mark.parametrize("mode", TRANSPARENT)
def test_transparency_is_dropped_as_by_convert(mode: str) -> None:
    image = transparent(mode)
    assert (np.asarray(as_rgb(image)) == np.asarray(image.convert("RGB"))).all()


@pytest.mark.parametrize("plain", [("LA", (100, 128)), ("RGBA", (100, 50, 20, 128))])
def test_premultiplied_colours_are_divided_by_their_alpha(plain: tuple[str, Any]) -> None:
    mode, colour = plain
    premultiplied = Image.new(mode, (2, 1), colour).convert(f"{mode[:-1]}a")
    made = np.asarray(as_rgb(premultiplied))[0, 0].astype(int)
    shown = (colour[:1] * 3 if mode == "LA" else colour[:3], colour[-1])
    assert np.abs(made - shown[0]).max() <= 255 / shown[1] / 2 + 0.5  # a rounding of each
    on_white = [round(c * shown[1] / 255 + 255 - shown[1]) for c in shown[0]]
    made = np.asarray(as_rgb(premultiplied, WHITE))[0, 0].astype(int)
    assert np.abs(made - on_white).max() <= 1 + 0.5  # the former, and one of the sum


def test_a_transparent_level_of_deep_grey_becomes_white() -> None:
    values = np.array([[0, 30_000, 30_001]], np.uint16)
    data = encoded(Image.fromarray(values), transparency=30_000)
    assert shades(data) == [0, 117, 117]
    assert np.asarray(decode(data, reading=WHITE))[0, :, 0].tolist() == [0, 255, 117]


def png_of_bits(bits: int, colour: int, row: bytes, transparent: bytes) -> bytes:
    """One row of a PNG of so many bits per sample; `colour` is 0 for grey, 2 for RGB."""
    width = 8 * len(row) // bits // (3 if colour else 1)
    parts = {
        b"IHDR": struct.pack(">IIBBBBB", width, 1, bits, colour, 0, 0, 0),
        b"tRNS": transparent,
        b"IDAT": zlib.compress(b"\0" + row),
        b"IEND": b"",
    }
    chunks = (
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in parts.items()
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@pytest.mark.parametrize("level", [0, 1])
@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_a_transparent_level_of_few_bits_becomes_white(bits: int, level: int) -> None:
    most = 2**bits - 1
    shown = [0, 1, *[most] * 6]
    packed = int("".join(f"{value:0{bits}b}" for value in shown), 2).to_bytes(bits, "big")
    data = png_of_bits(bits, 0, packed, struct.pack(">H", level))
    expected = [255 if value == level else value * 255 // most for value in shown]
    assert np.asarray(decode(data, reading=WHITE))[0, :, 0].tolist() == expected
    image = Image.open(io.BytesIO(data))
    said = image.info["transparency"]
    assert np.asarray(decoded_image(image, reading=WHITE))[0, :, 0].tolist() == expected
    assert image.info["transparency"] == said


def test_a_transparent_colour_of_sixteen_bits_becomes_white() -> None:
    row = struct.pack(">6H", 300, 600, 900, 600, 600, 900)
    data = png_of_bits(16, 2, row, struct.pack(">3H", 300, 600, 900))
    assert np.asarray(decode(data, reading=WHITE))[0].tolist() == [[255, 255, 255], [2, 2, 3]]
    assert np.asarray(decode(data))[0].tolist() == [[1, 2, 3], [2, 2, 3]]


def test_an_encoder_of_transformers_is_given_white_grounds(tiny_clip: Path) -> None:
    image = transparent("RGBA")
    said = {"library": "transformers", "device": "cpu"}
    encoder = load_encoder(EncoderSettings(model=str(tiny_clip), **said))
    processor = CLIPImageProcessorPil.from_pretrained(tiny_clip)
    assert encoder.transparency == encoder.provenance["transparency"] == "white"
    for source in (encoded(image), image):
        ((_, batch),) = prepared([("", [Item("a", -1, "", source)])], encoder, 1, False)
        assert batch.pixels is not None
        expected = processor(image, return_tensors="pt")["pixel_values"]
        assert torch.equal(encoder.scale(batch.pixels), expected)


def test_a_processor_that_takes_only_rgb_lays_nothing_over_white(
    tiny_clip: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "clip"
    shutil.copytree(tiny_clip, folder)
    CLIPImageProcessorPil.from_pretrained(tiny_clip, do_convert_rgb=False).save_pretrained(folder)
    encoder = load_encoder(EncoderSettings(library="transformers", model=str(folder), device="cpu"))
    assert encoder.transparency == "dropped"


def turned(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = np.zeros((2, 3, 3), np.uint8)
    pixels[0, 0] = 255
    return encoded(Image.fromarray(pixels), exif=exif)


@pytest.mark.parametrize(
    ("orientation", "size", "bright"),
    [
        (1, (3, 2), (0, 0)),
        (2, (3, 2), (2, 0)),
        (3, (3, 2), (2, 1)),
        (4, (3, 2), (0, 1)),
        (5, (2, 3), (0, 0)),
        (6, (2, 3), (1, 0)),
        (7, (2, 3), (1, 2)),
        (8, (2, 3), (0, 2)),
        (9, (3, 2), (0, 0)),
    ],
)
def test_images_are_turned_where_that_is_asked_for(
    orientation: int, size: tuple[int, int], bright: tuple[int, int]
) -> None:
    data = turned(orientation)
    image = decode(data, reading=Reading(upright=True))
    assert image.size == size
    assert image.getpixel(bright) == (255, 255, 255)
    assert (decode(data).size, decode(data).getpixel((0, 0))) == ((3, 2), (255, 255, 255))


@pytest.mark.parametrize("compression", [None, "tiff_lzw"])
@pytest.mark.parametrize("upright", [False, True])
def test_a_tiff_is_turned_once_by_pillow(compression: str | None, upright: bool) -> None:
    pixels = np.zeros((2, 3, 3), np.uint8)
    pixels[0, 0] = 255
    tags = {0x0112: 6}
    data = encoded(Image.fromarray(pixels), "TIFF", compression=compression, tiffinfo=tags)
    reading = Reading(upright=upright)
    given = Image.open(io.BytesIO(data))
    for image in (decode(data, reading=reading), decoded_image(given, reading=reading)):
        assert (image.size, image.getpixel((1, 0))) == ((2, 3), (255, 255, 255))


def test_a_broken_exif_turns_nothing() -> None:
    data = encoded(Image.new("RGB", (3, 2)), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    assert decode(data, reading=Reading(upright=True)).size == (3, 2)


@pytest.mark.parametrize("processes", [False, True])
def test_an_encoder_is_given_upright_images(tiny_clip: Path, processes: bool) -> None:
    encoder: Encoder = load_encoder(
        EncoderSettings(library="transformers", model=str(tiny_clip), device="cpu")
    )
    data = turned(6)
    for upright in (False, True):
        stream = prepared([("", [Item("a", -1, "", data)])], encoder, 1, processes, False, upright)
        ((_, batch),) = stream
        expected = encoder.preprocess(decode(data, reading=Reading(upright=upright)))
        assert batch.pixels is not None
        assert torch.equal(batch.pixels[0], expected)


@pytest.mark.parametrize("size", [(1, 20_000), (20_000, 1), (129, 1)])
def test_images_that_a_resize_would_blow_up_are_refused(size: tuple[int, int]) -> None:
    reason = rf"^too long and thin \({size[0]} x {size[1]}\)$"
    with pytest.raises(UnreadableImage, match=reason):
        decode(encoded(Image.new("L", size)))
    with pytest.raises(UnreadableImage, match=reason):
        decoded_image(Image.new("L", size))


def test_the_longest_image_is_128_times_as_long_as_wide() -> None:
    assert decode(encoded(Image.new("L", (128, 1)))).size == (128, 1)


def test_images_that_fill_the_memory_are_refused_unread() -> None:
    side = 13_000  # 169 megapixels, fewer than Pillow refuses
    tracemalloc.start()
    with pytest.raises(UnreadableImage, match=r"13000 x 13000 pixels in mode RGB.* 512 MiB"):
        decode(png_promising(side, side))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < side**2  # not even a byte per pixel


@pytest.mark.parametrize(
    ("mode", "format", "options", "bytes_per_pixel"),
    [
        ("L", "PNG", {}, 5),
        ("P", "PNG", {}, 5),
        ("RGB", "PNG", {}, 4),
        ("RGBA", "PNG", {}, 8),
        ("I;16", "PNG", {}, 6),
        ("RGB", "WEBP", {}, 16),
        ("RGB", "JPEG", {}, 4),
        ("RGB", "JPEG", {"progressive": True, "subsampling": "4:4:4"}, 10),
        ("RGB", "JPEG", {"progressive": True, "subsampling": "4:2:0"}, 7),
        ("L", "JPEG", {"progressive": True}, 7),
    ],
)
def test_memory_is_reckoned_by_mode_and_decoder(
    mode: str,
    format: str,
    options: dict[str, Any],
    bytes_per_pixel: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = encoded(Image.new(mode, (64, 64)), format, **options)
    monkeypatch.setattr(images, "MAX_MEMORY", 64 * 64 * bytes_per_pixel)
    assert decode(data).size == (64, 64)
    monkeypatch.setattr(images, "MAX_MEMORY", 64 * 64 * bytes_per_pixel - 1)
    with pytest.raises(UnreadableImage, match="MiB while they are decoded"):
        decode(data)


@pytest.mark.parametrize("head", [b"P5 8 4 1023\n", b"P2 8 4 255\n", b"P6 8 2 100\n"])
def test_images_that_are_decoded_slowly_have_a_bound_of_their_own(
    head: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = head + (b"0 " * 32 if head.startswith(b"P2") else bytes(64))
    samples = 48 if head.startswith(b"P6") else 32
    monkeypatch.setattr(images, "MAX_SLOW", samples)
    assert decode(data).width == 8
    monkeypatch.setattr(images, "MAX_SLOW", samples - 1)
    with pytest.raises(UnreadableImage, match=f"^more than {samples - 1} samples"):
        decode(data)
    assert decode(b"P5 8 4 255\n" + bytes(32)).size == (8, 4)  # in C


SCRIPT = """
import io, threading, warnings
from PIL import Image
from susx.images.decode import decode
stream = io.BytesIO()
Image.new("RGB", (40, 30)).save(stream, "PNG")
Image.MAX_IMAGE_PIXELS = 1000  # 1,200 pixels are then worth a warning
before = list(warnings.filters)
threads = [
    threading.Thread(target=lambda: [decode(stream.getvalue()) for _ in range(200)])
    for _ in range(8)
]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
assert warnings.filters == before
warnings.warn("still heard")
"""


def test_decoding_in_threads_leaves_warnings_as_they_were() -> None:
    run = [sys.executable, "-c", SCRIPT]
    done = subprocess.run(run, capture_output=True, text=True, check=True)
    assert "still heard" in done.stderr
    assert "DecompressionBombWarning" not in done.stderr


@pytest.mark.parametrize(("subfile", "is_read"), [(None, True), (0, True), (2, True), (1, False)])
def test_the_preview_of_a_raw_photo_is_not_taken_for_it(subfile: int | None, is_read: bool) -> None:
    file, tags = io.BytesIO(), {} if subfile is None else {254: subfile}
    Image.new("RGB", (16, 12), "red").save(file, "TIFF", tiffinfo=tags)
    if is_read:
        assert decode(file.getvalue()).size == (16, 12)
    else:
        with pytest.raises(UnreadableImage, match="raw photo, of which only the preview"):
            decode(file.getvalue())
