"""Reading tars that nobody vouches for: nothing is ever unpacked, and the end must be one."""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterator
from typing import IO, Any

META = re.compile(r"__[^/]*__($|/)")
"""Names that webdataset keeps for itself."""


def members(stream: IO[bytes], largest: int) -> Iterator[tuple[str, bytes]]:
    """Yield names and contents of the regular files of a tar, compressed or not.

    Raises:
        tarfile.TarError: if it is broken, or a file has more than `largest` bytes.
    """
    with tarfile.open(fileobj=stream, mode="r|*") as tar:
        for member in tar:
            if member.isreg() and not META.match(member.name):
                if member.size > largest:
                    raise tarfile.ReadError(f"{member.name} has {member.size} bytes")
                content: Any = tar.extractfile(member)
                yield member.name, content.read()
            tar.members = []  # type: ignore[attr-defined]


def is_whole(path: str) -> bool:
    """Whether a tar that is not compressed goes on to its end mark, a block of zeros.

    `tarfile` takes a damaged header for the end, and says nothing.
    """
    try:
        tar = tarfile.open(path, "r:")  # noqa: SIM115
    except tarfile.ReadError:
        return True
    with tar:
        return ends(tar)


def ends(tar: tarfile.TarFile) -> bool:
    """Whether an end mark follows the last file of an uncompressed tar."""
    tar.getmembers()
    stream: Any = tar.fileobj
    stream.seek(tar.offset)
    block = stream.read(tarfile.BLOCKSIZE)
    return len(block) == tarfile.BLOCKSIZE and not any(block)
