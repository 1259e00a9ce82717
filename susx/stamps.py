"""Stamps of files, by which a change of content is suspected, and folders listed to the bottom."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

OF_SNAKEMAKE = ".snakemake_timestamp"  # put into folders that a rule makes, and touched


class Stamp(NamedTuple):
    """What differs when a file was written, replaced, renamed, linked or restored.

    `mtime` and `ctime` are in nanoseconds. Tools that put the modification time back (rsync, tar,
    cp -a) cannot put `ctime` back.
    """

    size: int
    mtime: int
    ctime: int
    inode: int


def stamp_of(path: str | os.PathLike[str]) -> Stamp | None:
    """Stamp of a file behind all links; None where there is none that can be read as a whole."""
    try:
        state = Path(path).stat()
    except (OSError, ValueError):
        return None
    return _stamp(state) if stat.S_ISREG(state.st_mode) else None


def _stamp(state: os.stat_result) -> Stamp:
    return Stamp(state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino)


def files_below(root: str) -> Iterator[tuple[str, Stamp | None]]:
    """Yield relative path and stamp of everything below a folder but hidden folders, sorted.

    Links are followed; a folder that lies within itself is entered once. What cannot be looked at,
    such as a dangling link or a folder without permission, has no stamp. Nor has an empty folder,
    which ends in `/`.
    """
    yield from _below(root, "", frozenset())


def _below(
    folder: str, prefix: str, above: frozenset[tuple[int, int]]
) -> Iterator[tuple[str, Stamp | None]]:
    try:
        state = Path(folder).stat()
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError:
        yield prefix, None
        return
    place = (state.st_dev, state.st_ino)
    if place in above:
        return
    seen = [entry for entry in entries if not _is_left_out(entry)]
    if prefix and not seen:
        yield f"{prefix}/", None
    for entry in seen:
        name = f"{prefix}/{entry.name}" if prefix else entry.name
        if entry.is_dir():
            yield from _below(entry.path, name, above | {place})
            continue
        try:
            state = entry.stat()
        except OSError:
            yield name, None
            continue
        yield name, _stamp(state) if stat.S_ISREG(state.st_mode) else None


def _is_left_out(entry: os.DirEntry[str]) -> bool:
    return entry.name.startswith(".") if entry.is_dir() else entry.name == OF_SNAKEMAKE
