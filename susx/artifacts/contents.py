"""What lies in a store: objects, leftovers of jobs that were cut, and what is foreign to it."""

from __future__ import annotations

import os
import re
import socket
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from susx.artifacts.stages import STAGES
from susx.artifacts.store import FORGOTTEN, IN_THE_MAKING, KEY, LAST_USED, PARTS, RECEIPT, Store
from susx.core.errors import InputError
from susx.core.files import read_json

MAKING = re.compile(r"(?P<host>.+)-(?P<pid>\d+)-[0-9a-f]{8}")
"""Folder of an object in the making, as `Store.making` names it."""
NAMED = re.compile(rf"(?P<stage>\w+)-(?P<key>{KEY.pattern})")
"""Parts and notes of an object, as `Store` names them."""


@dataclass(frozen=True)
class Object:
    """An object of a store, whole or not.

    Attributes:
        stage: that made it.
        key: of its recipe.
        folder: where it lies.
        size: bytes of all its files.
        made: seconds since the epoch, by its receipt; None if that cannot be read.
        used: when it was made or used last, as far as is known, in seconds since the epoch.
    """

    stage: str
    key: str
    folder: Path
    size: int
    made: float | None
    used: float


@dataclass(frozen=True)
class Leftover:
    """What a job has not finished, or not yet.

    Attributes:
        folder: where it lies.
        size: bytes of all its files.
        changed: when anything in it changed last, in seconds since the epoch.
        host: machine of the job; None of finished parts, which any job may go on from.
        pid: its process.
        alive: whether that process runs; None if it is one of another machine, or parts.
        whole: whether the object is there that parts are of.
    """

    folder: Path
    size: int
    changed: float
    host: str | None = None
    pid: int | None = None
    alive: bool | None = None
    whole: bool = False


@dataclass(frozen=True)
class Contents:
    """Everything in a store; `foreign` is what no store puts there."""

    store: Store
    objects: list[Object] = field(default_factory=list)
    leftovers: list[Leftover] = field(default_factory=list)
    foreign: list[Path] = field(default_factory=list)

    @property
    def size(self) -> int:
        """Bytes of objects and leftovers."""
        return sum(o.size for o in self.objects) + sum(o.size for o in self.leftovers)


def contents(store: Store) -> Contents:
    """Look at a store; one that is not there is empty. No link is followed.

    Raises:
        InputError: if it is not a folder, or cannot be read.
    """
    found = Contents(store)
    for entry in _entries(store.root):
        place = Path(entry)
        if not entry.is_dir(follow_symlinks=False):
            found.foreign.append(place)
        elif entry.name == IN_THE_MAKING:
            _look_at_leftovers(store, found)
        elif entry.name not in (LAST_USED, FORGOTTEN):
            for below in _entries(place):
                if _is_object(below, entry.name):
                    found.objects.append(_object(store, entry.name, below.name))
                else:
                    found.foreign.append(Path(below))
    return found


def _look_at_leftovers(store: Store, found: Contents) -> None:
    for entry in _entries(store.root / IN_THE_MAKING):
        folder, is_folder = Path(entry), entry.is_dir(follow_symlinks=False)
        if is_folder and entry.name == PARTS:
            for parts in _entries(folder):
                named = NAMED.fullmatch(parts.name)
                if named and parts.is_dir(follow_symlinks=False):
                    whole = store.find(named["stage"], named["key"]) is not None
                    found.leftovers.append(Leftover(Path(parts), *extent(parts.path), whole=whole))
                else:
                    found.foreign.append(Path(parts))
        elif is_folder and (named := MAKING.fullmatch(entry.name)):
            host, pid = named["host"], int(named["pid"])
            alive = is_alive(pid) if host == socket.gethostname() else None
            found.leftovers.append(Leftover(folder, *extent(entry.path), host, pid, alive))
        else:
            found.foreign.append(folder)


def extent(folder: str) -> tuple[int, float]:
    """Bytes of all files below a folder, and when anything there changed last."""
    size, changed = 0, 0.0
    for place, _, files in os.walk(folder):
        for path in (place, *(os.path.join(place, name) for name in files)):  # noqa: PTH118
            try:
                state = os.lstat(path)
            except FileNotFoundError:
                continue
            changed = max(changed, state.st_mtime)
            size += state.st_size if stat.S_ISREG(state.st_mode) else 0
    return size, changed


def is_alive(pid: int) -> bool:
    """Whether a process of this machine runs."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    """Visible entries of a folder, sorted."""
    try:
        with os.scandir(folder) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
    except FileNotFoundError:
        return
    except OSError as error:
        raise InputError(f"{folder}: cannot be read ({error.strerror})") from None
    yield from (entry for entry in found if entry.name[0] != ".")


def _is_object(entry: os.DirEntry[str], stage: str) -> bool:
    """Whether a folder is an object, perhaps a damaged one: others have folders named by hashes."""
    if not (KEY.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False)):
        return False
    return stage in STAGES or Path(entry.path, RECEIPT).is_file()


def _object(store: Store, stage: str, key: str) -> Object:
    folder = store.folder(stage, key)
    size, changed = extent(str(folder))
    made = _made(folder / RECEIPT)
    used = max(changed if made is None else made, store.last_use(stage, key))
    return Object(stage, key, folder, size, made, used)


def _made(receipt: Path) -> float | None:
    """When an object was made; its receipt is not checked, which takes time."""
    try:
        return datetime.fromisoformat(read_json(receipt)["made"]["time"]).timestamp()
    except (InputError, OSError, KeyError, TypeError, ValueError):
        return None
