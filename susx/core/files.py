"""Writing files whole or not at all, and hashing them."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from susx.core.errors import InputError

UNWRITABLE = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), "make room"),
    errno.EROFS: "let it be writable, or set another folder under `roots`,",
    **dict.fromkeys((errno.EACCES, errno.EPERM), "let it be writable, or name another folder,"),
    **dict.fromkeys((errno.EEXIST, errno.ENOTDIR), "a file lies where a folder is needed: move it"),
    errno.EISDIR: "a folder lies where a file is needed: move it",
    errno.ENAMETOOLONG: "choose a shorter name",
}

LONGEST_KEPT = 200
"""Bytes of a file's name that its temporary name keeps: file systems take 255."""


@contextmanager
def write_errors(target: str | Path) -> Iterator[None]:
    """Turn what a full or read-only disk says into an error that names the file.

    Raises:
        InputError: if the disk is full or read-only, or the target cannot have that name.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in UNWRITABLE:
            raise
        raise InputError(
            f"{target}: cannot be written ({os.strerror(error.errno)}); {UNWRITABLE[error.errno]} "
            "and run again, finished files are kept"
        ) from None


@contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path in the folder of `path`; on success flush and rename it there.

    Raises:
        InputError: as `write_errors` says; then nothing is left behind.
    """
    target = Path(path)
    temporary: Path | None = None
    try:
        with write_errors(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            with suppress(FileNotFoundError):
                target.lstat()  # which refuses a name that is too long
            handle, name = tempfile.mkstemp(dir=target.parent, prefix=_hidden(target.name))
            os.close(handle)
            temporary = Path(name)
            yield temporary
            with suppress(OSError):  # some file systems have no permissions to change
                temporary.chmod(0o666 & ~_umask())
            with temporary.open("rb") as stream:
                os.fsync(stream.fileno())
            temporary.replace(target)
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


class Patient(io.FileIO):
    """A file for libraries that do not survive a failing write: it keeps the error for later.

    HDF5 ends the process when it cannot write what it holds back until a file is closed, and reads
    again what it wrote. So what could not be written is kept in memory, and given when it is read.
    """

    error: OSError | None = None

    def __init__(self, path: str | Path, mode: str) -> None:
        super().__init__(path, mode)
        self._kept: list[tuple[int, bytes]] = []

    def write(self, data: Any) -> int:
        """Write all of it, or keep the error, what is left, and all that is written later."""
        view = memoryview(data).cast("B")
        done = 0
        while done < len(view) and self.error is None:
            try:
                done += super().write(view[done:])
            except OSError as error:
                self.error = error
        if done < len(view):
            self._kept.append((self.tell(), bytes(view[done:])))
            self.seek(len(view) - done, os.SEEK_CUR)
        return len(view)

    def readinto(self, buffer: Any) -> int:
        """Read what was written, or kept."""
        begin, n = self.tell(), super().readinto(buffer)
        if self.error is None:
            return n
        view = memoryview(buffer).cast("B")
        view[n:] = bytes(len(view) - n)
        for place, data in self._kept:
            start, stop = max(begin, place), min(begin + len(view), place + len(data))
            if start < stop:
                view[start - begin : stop - begin] = data[start - place : stop - place]
        self.seek(begin + len(view))
        return len(view)

    def truncate(self, size: int | None = None) -> int:
        """Change its size, or keep the error."""
        try:
            return super().truncate(size)
        except OSError as error:
            self.error = self.error or error
            return self.tell() if size is None else size

    def __exit__(self, *args: object) -> None:
        """Close it, and raise the error that was kept, whatever came of it."""
        self.close()
        self.check()

    def check(self) -> None:
        """Raise the error that was kept.

        Raises:
            OSError: if there is one.
        """
        if self.error is not None:
            raise self.error


def _hidden(name: str) -> str:
    """Beginning of a temporary name, short enough that what is added fits where `name` does."""
    kept = name.encode("utf-8", "surrogateescape")[:LONGEST_KEPT]
    return f".{kept.decode('utf-8', 'ignore')}."


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def sha256_file(path: str | Path) -> str:
    """SHA-256 of a file, in hex."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sha256_json(value: Any) -> str:
    """SHA-256 of a value's canonical JSON, in hex."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def write_json(path: str | Path, value: Any) -> None:
    """Write indented JSON, keeping the order of keys."""
    with atomic(path) as temporary:
        temporary.write_text(
            json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n", "utf-8"
        )


def read_json(path: str | Path, pairs_hook: Any = None) -> Any:
    """Read JSON.

    Raises:
        InputError: if the file is missing or is not JSON.
    """
    try:
        text = Path(path).read_text("utf-8-sig")
        data = json.loads(text, object_pairs_hook=pairs_hook)
        if "\\ud" in text.lower():  # half a surrogate pair is no character
            json.dumps(data, ensure_ascii=False).encode()
    except FileNotFoundError:
        raise InputError(f"{path}: file not found") from None
    except IsADirectoryError:
        raise InputError(f"{path}: a folder, not a JSON file") from None
    except InputError:
        raise
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not valid JSON: {error}") from None
    return data


def write_checked(path: str | Path, value: Mapping[str, Any]) -> None:
    """Write a JSON object with the SHA-256 of its canonical form under `sha256`."""
    stored = json.loads(json.dumps(value, allow_nan=False))
    write_json(path, {**stored, "sha256": sha256_json(stored)})


def read_checked(path: str | Path, advice: str) -> dict[str, Any]:
    """Read what `write_checked` wrote, without the checksum.

    Args:
        path: the file.
        advice: what to do where it is damaged, for error messages.

    Raises:
        InputError: if the file is missing, is no JSON object, or its checksum does not fit.
    """
    try:
        data = read_json(path)
    except InputError as error:
        raise InputError(f"{error}; {advice}") from None
    if not isinstance(data, dict) or "sha256" not in data:
        raise InputError(f"{path}: has no checksum; {advice}")
    return verified(path, data, advice)


def verified(path: str | Path, data: Mapping[str, Any], advice: str) -> dict[str, Any]:
    """Return a JSON object without its checksum.

    Raises:
        InputError: if the checksum does not fit.
    """
    rest = {key: value for key, value in data.items() if key != "sha256"}
    if data["sha256"] != sha256_json(rest):
        raise InputError(f"{path}: contents do not fit the stored checksum; {advice}")
    return rest


def read_regular(path: str | Path, limit: int | None, count: int = -1) -> bytes:
    """Read a file, unless it is a pipe or device, which might never end, or larger than `limit`.

    Of a long file the first `count` bytes are read, if that is given.

    Raises:
        OSError: if it cannot be read, or is refused.
    """
    try:
        state = Path(path).stat()
    except ValueError:  # a name with a null character
        raise OSError(errno.EINVAL, "not a file name") from None
    if not stat.S_ISREG(state.st_mode):
        raise OSError(errno.EINVAL, "not a regular file")
    if limit is not None and state.st_size > limit:
        raise OSError(errno.EFBIG, f"larger than {limit} bytes")
    with Path(path).open("rb") as stream:
        return stream.read(count)
