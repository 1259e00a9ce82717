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
    """Yield relative path and stamp of everything below a folder, as `entries_below` lists it.

    Empty and hidden folders and what cannot be looked at, such as a dangling link or a folder
    without permission, have no stamp.
    """
    for name, entry in entries_below(root):
        try:
            state = entry.stat() if isinstance(entry, os.DirEntry) else None
        except OSError:
            state = None
        yield name, _stamp(state) if state and stat.S_ISREG(state.st_mode) else None


def entries_below(root: str) -> Iterator[tuple[str, os.DirEntry[str] | OSError | None]]:
    """Yield relative path and entry of everything below a folder, sorted.

    Links are followed; a folder that lies within itself is entered once. A folder that cannot be
    listed comes with the error. An empty one, and a hidden one, which is not looked into, come with
    None and a slash behind their paths.
    """
    yield from _below(root, "", frozenset())


def _below(
    folder: str, prefix: str, above: frozenset[tuple[int, int]]
) -> Iterator[tuple[str, os.DirEntry[str] | OSError | None]]:
    try:
        state = Path(folder).stat()
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        yield prefix, error
        return
    place = (state.st_dev, state.st_ino)
    if state.st_ino and place in above:  # some network file systems number nothing
        return
    is_empty = True
    for entry in entries:
        name = f"{prefix}/{entry.name}" if prefix else entry.name
        if is_folder(entry):
            is_empty = False
            if entry.name.startswith("."):
                yield f"{name}/", None
            else:
                yield from _below(entry.path, name, above | {place})
        elif entry.name != OF_SNAKEMAKE:
            is_empty = False
            yield name, entry
    if is_empty and prefix:
        yield f"{prefix}/", None


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder; a link that goes in a circle is none."""
    try:
        return entry.is_dir()
    except OSError:
        return False
