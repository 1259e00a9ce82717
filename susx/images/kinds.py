"""Which files are images: by their names, and by their first bytes where a name tells nothing."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from susx.core.errors import InputError
from susx.core.files import read_regular
from susx.core.patterns import UNLISTABLE
from susx.core.stamps import entries_below, is_folder

FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""Pillow's names of the formats that are read."""
SUFFIXES = frozenset(
    f".{suffix}"
    for suffix in (
        *("avif", "bmp", "gif", "heic", "heif", "hif", "jfif", "jp2", "jpe", "jpeg", "jpg", "jxl"),
        *("pbm", "pgm", "png", "pnm", "ppm", "tif", "tiff", "webp"),
    )
)
"""Of images, in lower case; also of those that are only named as unreadable."""
TEXTS = frozenset(
    f".{suffix}"
    for suffix in ("csv", "htm", "html", "json", "jsonl", "md", "tsv", "txt", "xml", "yaml", "yml")
)
"""Of files that lie beside images by the million, and are not opened to see that they are none."""
MACOS = "__MACOSX"
HEAD = 32
"""Bytes of a file that tell what it is: the longest mark, BMP's, ends before the 19th."""
HEIC = "HEIC"
READERS = {HEIC: "pillow_heif"}
"""Packages that read formats which Pillow does not, by format."""
MARKS: tuple[tuple[str, re.Pattern[bytes]], ...] = tuple(
    (kind, re.compile(mark, re.DOTALL))
    for kind, mark in (
        ("JPEG", rb"\xff\xd8\xff"),
        ("PNG", rb"\x89PNG\r\n\x1a\n"),
        ("GIF", rb"GIF8[79]a"),
        ("WEBP", rb"RIFF....WEBP"),
        ("TIFF", rb"II\*\0|MM\0\*|II\+\0|MM\0\+"),
        ("AVIF", rb"....ftypavi[fs]"),
        (HEIC, rb"....ftyp(he[iv][cmsx]|mif1|msf1)"),
        ("JPEG XL", rb"\xff\x0a|\0\0\0\x0cJXL \r\n\x87\n"),
        ("JPEG 2000", rb"\0\0\0\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51"),
        ("PPM", rb"P[1-6]\s+[0-9#]"),
        # its sizes, so that a text which begins with these letters is none
        ("BMP", rb"BM....\0\0\0\0....[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0"),
    )
)
"""Formats and the marks that their files begin with, as the formats' specifications state them."""


def kind_of(head: bytes) -> str:
    """Format of an image by the first `HEAD` bytes of its file; empty if it is none."""
    return next((kind for kind, mark in MARKS if mark.match(head)), "")


def added_formats() -> list[str]:
    """Formats that are read because a package is installed, on which stages depend."""
    return [kind for kind, package in READERS.items() if find_spec(package)]


def is_image(name: str) -> bool:
    """Whether a file name is that of an image, and not hidden."""
    return not is_hidden(name) and suffix_of(name) in SUFFIXES


def may_be_image(name: str) -> bool:
    """Whether only the content of a file tells what it is."""
    return not is_hidden(name) and suffix_of(name) not in SUFFIXES | TEXTS


def is_hidden(name: str) -> bool:
    """Whether a file name begins with a dot."""
    return name.startswith(".")


def suffix_of(name: str) -> str:
    """Suffix of a file name with its dot, in lower case; empty if there is none."""
    stem, dot, suffix = name.rpartition(".")
    return f"{dot}{suffix}".lower() if stem else ""


def why_not(head: bytes) -> str:
    """Why Pillow reads no image from a file that begins so."""
    if not head:
        return "empty file"
    kind = kind_of(head)
    if kind == HEIC:
        return "HEIC, which needs the package pillow-heif: pip install 'susx[heic]'"
    if kind.startswith("JPEG "):
        return f"{kind}, which is not read; convert it to PNG or JPEG"
    if kind:
        return f"{kind} of a kind that Pillow does not read, or broken"
    return "not an image of a known format"


def told_apart(folder: Path) -> Iterator[tuple[str, bool]]:
    """Yield the relative path of every file below a folder, sorted, and whether it is an image.

    Asks the disk once per folder, and opens only files whose names do not tell. A hidden folder
    counts as one file.

    Raises:
        InputError: if a folder cannot be listed.
    """
    for name, entry in entries_below(str(folder)):
        if isinstance(entry, OSError):
            place = f"{folder}/{name}" if name else folder
            raise InputError(f"{place}: {UNLISTABLE.format(entry.strerror)}")
        file = name.removesuffix("/").rpartition("/")[2]
        if entry is None:
            yield from [(name, False)] if is_hidden(file) else []
        else:
            yield name, is_image(file) or (may_be_image(file) and _begins(f"{folder}/{name}"))


def _begins(path: str) -> bool:
    """Whether a file begins as an image does; one that cannot be read is none."""
    try:
        return bool(kind_of(read_regular(path, None, HEAD)))
    except OSError:
        return False


def visible_folders(root: Path) -> list[str]:
    """Sorted names of the folders in `root` that are not hidden, and of links to such.

    That of macOS in zip files holds no files of anyone's.

    Raises:
        InputError: if `root` cannot be listed.
    """
    try:
        with os.scandir(root) as entries:
            return sorted(
                e.name
                for e in entries
                if is_folder(e) and not is_hidden(e.name) and e.name != MACOS
            )
    except OSError as error:
        raise InputError(f"{root}: {UNLISTABLE.format(error.strerror)}") from None
