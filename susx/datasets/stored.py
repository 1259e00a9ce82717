"""Bytes of listed images, in files and inside archives."""

from __future__ import annotations

import hashlib
from pathlib import Path

from susx.config.sources import LAYOUTS
from susx.core.errors import InputError
from susx.core.files import read_regular
from susx.images.decode import MAX_BYTES
from susx.manifests.tables import ImageRecord


def stored_bytes(path: str) -> bytes:
    """Read an image by the `path` of its listing.

    Raises:
        OSError: if there is no such file, or it is none that can hold an image.
        InputError: if an archive is broken.
    """
    if is_within_file(path):
        added = path.rpartition("#")[2].partition(":")[0]
        names = [*LAYOUTS.built_in, *(name for name in LAYOUTS.added if name == added)]
        for name in names:
            if (data := LAYOUTS[name].read(path)) is not None:
                return bytes(data)
    return read_regular(path, MAX_BYTES)


def is_within_file(path: str) -> bool:
    """Whether the `path` of a listed image leads into a larger file that is there."""
    archive = path.rpartition("#")[0]
    return (
        bool(archive) and "\0" not in path and not Path(path).exists() and Path(archive).is_file()
    )


def read_listed(record: ImageRecord) -> bytes:
    """Read the file of an image manifest's record.

    Raises:
        InputError: if it has changed since the manifest was written.
    """
    try:
        data = stored_bytes(record.path)
    except OSError:
        data = b""
    if hashlib.sha256(data).hexdigest() != record.sha256:
        raise InputError(
            f"{record.path}: changed or gone since the image manifest was written; run again"
        )
    return data
