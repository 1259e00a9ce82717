"""Content hashes of files and folders, remembered for as long as their stamps stay the same."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from susx.core.errors import InputError
from susx.core.files import atomic, read_json, sha256_file, sha256_json, write_json
from susx.core.plain import well_formed
from susx.core.stamps import Stamp, files_below, stamp_of

YOUNG = 2 * 10**9
"""Nanoseconds within which a file can change again without another stamp: two seconds, the
coarsest times of file systems in use (FAT)."""
NOT_THERE = "none"

Looks = dict[str, tuple[Stamp | None, str]]


class Memory:
    """Hashes by path, in a folder that can be deleted at any time.

    Files are one JSON each, so that jobs which write at the same time lose nothing of each other.
    `stamps` says of everything that was looked at, by path or name, what its stamps were.
    """

    def __init__(self, folder: str | Path, budget: int | None = None, trusted: bool = True) -> None:
        """Begin to look.

        Args:
            folder: where hashes are remembered.
            budget: bytes that may be read to hash what is not remembered; None for all.
            trusted: whether what is remembered is believed; if not, it is only corrected.
        """
        self.folder = Path(folder)
        self._left, self._trusted = budget, trusted
        self._asked: dict[str, str | None] = {}
        self.stamps: dict[str, str] = {}

    def identity(self, path: str, at_any_cost: bool = False) -> str | None:
        """Identity of a file or folder by its content; None if finding out is over the budget.

        Args:
            path: what is looked at, once for as long as this object lives.
            at_any_cost: whether the budget does not count.

        Raises:
            InputError: if a name below a folder is not UTF-8.
        """
        if path not in self._asked:
            left = self._left
            if at_any_cost:
                self._left = None
            is_folder = Path(path).is_dir()
            found = self._folder_identity(path) if is_folder else self.sha256(path)
            if at_any_cost:
                self._left = left
            self._asked[path] = found
        return self._asked[path]

    def sha256(self, path: str) -> str | None:
        """SHA-256 of a file, `none` where there is no file, None if hashing is over the budget."""
        stamp = stamp_of(path)
        if stamp is None:
            return NOT_THERE
        self.stamps[path] = _line(stamp)
        if known := self._fitting(path, stamp):
            return known
        if not self._spend(stamp.size):
            return None
        digest = _hashed(path)
        self.remember(path, digest, stamp)
        return digest

    def recalled(self, path: str) -> str | None:
        """SHA-256 of a file if it is remembered and the stamp still fits, else None."""
        stamp = stamp_of(path)
        return self._fitting(path, stamp) if stamp else None

    def _fitting(self, path: str, stamp: Stamp) -> str | None:
        known = self._recall(path)
        return str(known["sha256"]) if known and known["stamp"] == list(stamp) else None

    def remember(self, path: str, digest: str, stamp: Stamp | None, settled: bool = False) -> None:
        """Remember the hash of a file.

        Args:
            path: the file.
            digest: its hash.
            stamp: its stamp before it was hashed.
            settled: whether nobody will write it again, however young it is.
        """
        if stamp and (settled or not _is_young(stamp)):
            _write(self._place("files", path), {"path": path, "stamp": stamp, "sha256": digest})

    def listing(self, name: str, paths: Iterable[str]) -> str | None:
        """Identity of named files, wherever they lie; missing ones count, too.

        They are looked at once for as long as this object lives.

        Raises:
            InputError: if a name is not UTF-8.
        """
        if name not in self._asked:
            found = ((path, stamp_of(path)) for path in paths)
            self._asked[name] = self._of_looks(name, found, "")
        return self._asked[name]

    def expect(self, key: str, outputs: Mapping[str, str]) -> None:
        """Note how the outputs of a recipe should come out: their hashes by name."""
        _write(self.folder / "expected" / f"{key}.json", outputs)

    def expected(self, key: str) -> dict[str, str] | None:
        """What was noted of a recipe, once; None if nothing was."""
        path = self.folder / "expected" / f"{key}.json"
        try:
            found = dict(read_json(path))
            path.unlink()
        except (InputError, OSError, TypeError, ValueError):
            return None
        return found

    def contents_below(self, root: str) -> dict[str, str]:
        """SHA-256 of every file below a folder by relative path, as `identity` just found it."""
        return self._contents(root, files_below(root), root)

    def contents_of(self, name: str, paths: Iterable[str]) -> dict[str, str]:
        """SHA-256 of named files by path, as `listing` just found it; `none` if missing."""
        return self._contents(name, ((path, stamp_of(path)) for path in paths), "")

    def _contents(
        self, name: str, found: Iterable[tuple[str, Stamp | None]], root: str
    ) -> dict[str, str]:
        looks = self._looked(dict(found), self._recall_looks(name), root) or {}
        return {key: digest for key, (_, digest) in looks.items()}

    def _folder_identity(self, root: str) -> str | None:
        return self._of_looks(root, files_below(root), root)

    def _of_looks(
        self, name: str, found: Iterable[tuple[str, Stamp | None]], root: str
    ) -> str | None:
        """Identity of many files: one digest of names and contents."""
        now = dict(found)
        _require_utf8(root, now)
        lines = (f"{key}\0{_line(stamp)}" for key, stamp in now.items())
        stamps = hashlib.sha256("\n".join(lines).encode()).hexdigest()
        self.stamps[name] = stamps
        summary = self._recall(name, "folders")
        if summary and summary["stamps"] == stamps:
            return str(summary["content"])
        before = self._recall_looks(name) if self._trusted else {}
        looks = self._looked(now, before, root)
        if looks is None:
            return None
        content = sha256_json([[key, digest] for key, (_, digest) in looks.items()])
        kept = {k: look for k, look in looks.items() if look[0] and not _is_young(look[0])}
        _write_looks(self._place("folders", name, ".parquet"), kept)
        if not any(stamp and _is_young(stamp) for stamp, _ in looks.values()):
            place = self._place("folders", name)
            _write(place, {"path": name, "stamps": stamps, "content": content})
        return content

    def _looked(self, now: Mapping[str, Stamp | None], before: Looks, root: str) -> Looks | None:
        looks: Looks = {}
        for key, stamp in now.items():
            known = before.get(key)
            if stamp is None:
                looks[key] = (None, NOT_THERE)
            elif known and known[0] == stamp:
                looks[key] = known
            elif self._spend(stamp.size):
                looks[key] = (stamp, _hashed(f"{root}/{key}" if root else key))
            else:
                return None
        return looks

    def _spend(self, size: int) -> bool:
        if self._left is None:
            return True
        if size > self._left:
            return False
        self._left -= size
        return True

    def _recall(self, path: str, kind: str = "files") -> dict[str, Any] | None:
        if not self._trusted:
            return None
        try:
            return dict(read_json(self._place(kind, path)))
        except (InputError, OSError, TypeError, ValueError):
            return None

    def _recall_looks(self, name: str) -> Looks:
        import pyarrow.parquet as pq

        try:
            columns = pq.read_table(self._place("folders", name, ".parquet")).to_pydict()
            stamps = map(Stamp, *(columns[field] for field in Stamp._fields))
            looks = zip(stamps, columns["sha256"], strict=True)
            return dict(zip(columns["key"], looks, strict=True))
        except Exception:  # pyarrow raises many kinds; what is forgotten is looked at again
            return {}

    def _place(self, kind: str, path: str, suffix: str = ".json") -> Path:
        name = os.path.realpath(path) if kind == "files" else str(Path(path).absolute())
        digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
        return self.folder / kind / f"{digest[:32]}{suffix}"


def _line(stamp: Stamp | None) -> str:
    return " ".join(map(str, stamp or ()))


def _require_utf8(root: str, names: Iterable[str]) -> None:
    for name in names:
        if not name.isascii() and well_formed(name) != name:
            path = well_formed(f"{root}/{name}" if root else name)
            raise InputError(f"{path}: the file name is not UTF-8; rename it")


def _hashed(path: str) -> str:
    try:
        return sha256_file(path)
    except OSError as error:
        return f"unreadable: {error.strerror}"


def _is_young(stamp: Stamp) -> bool:
    return stamp.ctime > time.time_ns() - YOUNG  # nobody can set this time


def _write(path: Path, value: Mapping[str, Any]) -> None:
    """Write what is remembered; where that is refused, it is looked at again the next time."""
    try:
        write_json(path, json.loads(json.dumps(value)))
    except (InputError, OSError, UnicodeEncodeError):
        return


def _write_looks(path: Path, looks: Looks) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    stamps = [stamp for stamp, _ in looks.values() if stamp]
    columns: dict[str, list[Any]] = {"key": list(looks), "sha256": [d for _, d in looks.values()]}
    columns |= {field: [getattr(s, field) for s in stamps] for field in Stamp._fields}
    try:
        table = pa.table(columns)
        with atomic(path) as temporary:
            pq.write_table(table, temporary)
    except (InputError, OSError, pa.ArrowException, UnicodeEncodeError):
        return
