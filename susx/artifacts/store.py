"""A store of artifacts by key: `{root}/{stage}/{key}/`, each with its receipt.

Objects are added by renaming a whole folder, which needs no lock and no right but to write: of two
processes that make the same at once, one is first, and the other finds that it was there. An object
is never touched again. Several projects may share a store.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import socket
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from susx.artifacts.recipe import Receipt, Recipe
from susx.core.errors import InputError
from susx.core.files import write_errors

RECEIPT = "receipt.json"
IN_THE_MAKING = "tmp"
PARTS = "parts"
LAST_USED = "used"
FORGOTTEN = "forgotten"
READ_ONLY = 0o444
KEY = re.compile(r"[0-9a-f]{64}")
"""SHA-256 in hex, as folders of objects are called."""
MOST_KIN = 32
"""Objects that are looked through for rows: reading a cache of 50,000 rows takes 0.1 to 0.4 s."""
Counted = Callable[[Mapping[str, Any]], Any]
"""Takes those of the settings of a recipe that count."""
DAY = 24 * 60 * 60
"""Seconds between two notes that an object is used: it is pruned by days."""


class Store:
    """Artifacts below one folder."""

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)

    def folder(self, stage: str, key: str) -> Path:
        """Where an object is, or would be."""
        return self.root / stage / key

    def find(self, stage: str, key: str) -> Receipt | None:
        """Receipt of an object that is there in full, by the sizes of its files; None if not."""
        folder = self.folder(stage, key)
        try:
            receipt = Receipt.read(folder / RECEIPT)
        except InputError:
            return None
        try:
            whole = all(
                (folder / output.file).stat().st_size == output.size
                for output in receipt.outputs.values()
            )
        except OSError:
            return None
        return receipt if whole and receipt.recipe.key == key else None

    def kin(self, recipe: Recipe, besides: Collection[str]) -> list[Path]:
        """Files of objects that differ from a recipe in some inputs only, the newest first.

        Args:
            recipe: of one output.
            besides: names of the inputs that may differ.
        """
        found = self.relatives(recipe, besides, dict)[:MOST_KIN]
        return [path for outputs in found for path in outputs.values()]

    def relatives(
        self, recipe: Recipe, besides: Collection[str], counted: Counted
    ) -> list[dict[str, Path]]:
        """Files by name of objects that differ from a recipe in some inputs and settings only.

        Args:
            recipe: of all their outputs.
            besides: names of the inputs that may differ.
            counted: of the settings, what may not.

        Returns:
            Their files by name, those of the newest object first.
        """
        own = _fixed(recipe, besides, counted)
        found = []
        for folder in (self.root / recipe.stage).glob("*"):
            receipt = self.find(recipe.stage, folder.name)
            if receipt and _fixed(receipt.recipe, besides, counted) == own:
                files = {name: folder / output.file for name, output in receipt.outputs.items()}
                found.append((str(receipt.made.get("time", "")), folder.name, files))
        return [files for _, _, files in sorted(found, key=lambda one: one[:2], reverse=True)]

    @contextmanager
    def making(self) -> Iterator[Path]:
        """Yield a folder to make an object in; it is gone afterwards unless it was added."""
        folder = self._new_name()
        with ExitStack() as stack:
            with write_errors(folder):
                stack.enter_context(_temporary(folder))
            yield folder

    def add(self, made: Path, receipt: Receipt) -> Receipt:
        """Add an object; what was there before wins, if it is whole.

        Args:
            made: folder with the files that the receipt names, on the same file system.
            receipt: of the object.

        Returns:
            The receipt of the object that is there now.

        Raises:
            InputError: if the store cannot be written.
        """
        stage, key = receipt.recipe.stage, receipt.recipe.key
        receipt.write(made / RECEIPT)
        for output in receipt.outputs.values():
            with suppress(OSError):  # some file systems know no rights
                (made / output.file).chmod(READ_ONLY)
        place = self.folder(stage, key)
        with write_errors(place):
            place.parent.mkdir(parents=True, exist_ok=True)
            for _ in range(2):
                try:
                    made.rename(place)
                    self._mark(FORGOTTEN, stage, key).unlink(missing_ok=True)
                    return receipt
                except OSError:
                    if there := self.find(stage, key):
                        return there
                    self.discard(stage, key)
        raise InputError(f"{place}: cannot be replaced; delete it and run again")

    def discard(self, stage: str, key: str) -> None:
        """Remove an object, at once for those who look for it."""
        self.clear(self.folder(stage, key))

    def clear(self, place: Path) -> None:
        """Remove a folder of this store, at once for those who look for it.

        Raises:
            OSError: if it cannot be removed.
        """
        with _temporary(self._new_name()) as folder, suppress(FileNotFoundError):
            place.rename(folder / "object")

    def forget(self, stage: str, key: str) -> None:
        """Remove an object, and let nothing that remembers it do without it.

        Raises:
            OSError: if it cannot be removed.
        """
        mark = self._mark(FORGOTTEN, stage, key)
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch()
        self.discard(stage, key)

    def is_forgotten(self, stage: str, key: str) -> bool:
        """Whether an object is to be made anew."""
        return self._mark(FORGOTTEN, stage, key).exists()

    def note_use(self, stage: str, key: str) -> None:
        """Note once a day that an object is used; where that cannot be written, it is not noted."""
        mark = self._mark(LAST_USED, stage, key)
        try:
            if mark.stat().st_mtime > time.time() - DAY:
                return
            mark.unlink()  # it may belong to someone who lets nobody touch it
        except OSError:
            pass
        with suppress(OSError):
            try:
                mark.touch()
            except FileNotFoundError:
                mark.parent.mkdir(parents=True, exist_ok=True)
                mark.touch()

    def last_use(self, stage: str, key: str) -> float:
        """When a use of an object was noted last, in seconds since the epoch; 0 if never."""
        try:
            return self._mark(LAST_USED, stage, key).stat().st_mtime
        except OSError:
            return 0.0

    def drop_notes(self, stage: str, key: str) -> None:
        """Drop what is noted of the use of an object that is gone."""
        with suppress(OSError):
            self._mark(LAST_USED, stage, key).unlink()

    def _new_name(self) -> Path:
        name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        return self.root / IN_THE_MAKING / name

    def _mark(self, kind: str, stage: str, key: str) -> Path:
        return self.root / kind / f"{stage}-{key}"

    def parts(self, stage: str, key: str) -> Path:
        """Folder for finished parts of an object in the making, which outlive a killed job."""
        return self.root / IN_THE_MAKING / PARTS / f"{stage}-{key}"


def _fixed(recipe: Recipe, besides: Collection[str], counted: Counted) -> list[Any]:
    named = recipe.inputs.items()
    inputs = {n: [s.identity for s in sources] for n, sources in named if n not in besides}
    return [recipe.version, counted(recipe.settings), inputs]


def link(target: Path, name: str | Path) -> None:
    """Let a readable name stand for a file of a store, whatever the name stood for.

    The link is relative where the store lies in the working folder, so that a project can be moved.

    Raises:
        InputError: if it cannot be written.
    """
    name = Path(name)
    with write_errors(name):
        name.parent.mkdir(parents=True, exist_ok=True)
        shown = str(target.absolute())
        if not target.is_absolute():
            shown = os.path.relpath(target.resolve(), name.parent.resolve())
        if name.is_symlink() and str(name.readlink()) == shown:
            return
        temporary = name.with_name(f".{name.name}.{secrets.token_hex(4)}")
        temporary.symlink_to(shown)
        try:
            temporary.replace(name)
        finally:
            temporary.unlink(missing_ok=True)


def object_of(path: str | Path) -> Path | None:
    """The file of a store that a name stands for, there or not; None if it is no such link."""
    try:
        target = Path(path).readlink()
    except OSError:
        return None
    place = Path(os.path.normpath(Path(os.path.realpath(Path(path).parent)) / target))
    return place if KEY.fullmatch(place.parent.name) else None


def receipt_of(path: str | Path) -> Receipt | None:
    """Receipt of the object that a name stands for; None if there is neither."""
    place = object_of(path)
    try:
        return Receipt.read(place.parent / RECEIPT) if place else None
    except InputError:
        return None


@contextmanager
def _temporary(folder: Path) -> Iterator[Path]:
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
