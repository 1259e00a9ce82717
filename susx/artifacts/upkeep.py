"""Looking after stores: what is damaged, what may go, and what is to be made anew."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from susx.artifacts.contents import MAKING, NAMED, Contents, Object, extent
from susx.artifacts.project import Project, links_below
from susx.artifacts.recipe import Receipt
from susx.artifacts.store import DAY, IN_THE_MAKING, KEY, PARTS, RECEIPT, Store, object_of
from susx.core.errors import InputError
from susx.core.files import sha256_file

PARTS_KEPT = 7 * DAY
"""Seconds that finished parts of a cut job are kept: a week in which someone may run it again."""
ELSEWHERE = DAY
"""Seconds after which the folder of a job on another machine, whose processes cannot be seen from
here, counts as left: jobs write to theirs more often."""


@dataclass(frozen=True)
class Finding:
    """Something wrong in a store.

    Attributes:
        path: where it lies.
        kind: of fault.
        reason: what is wrong, in words.
        lost: the object, if it is one and removing it loses nothing but work.
    """

    path: Path
    kind: Literal["damaged", "incomplete", "foreign"]
    reason: str
    lost: Object | None = None


def check(found: Contents) -> Iterator[Finding]:
    """Compare every object with its receipt, byte by byte.

    What another process removes meanwhile is no fault.
    """
    for one in found.objects:
        finding = _check(one)
        if finding and one.folder.exists():
            yield finding
    for path in found.foreign:
        yield Finding(path, "foreign", "no store puts that there; look at it, and remove it")


def _check(one: Object) -> Finding | None:
    if not (one.folder / RECEIPT).exists():
        return Finding(one.folder, "incomplete", "has no receipt", one)
    try:
        receipt = Receipt.read(one.folder / RECEIPT)
    except InputError as error:
        return Finding(one.folder, "damaged", str(error), one)
    if (receipt.recipe.stage, receipt.recipe.key) != (one.stage, one.key):
        of = f"{receipt.recipe.stage}/{receipt.recipe.key}"
        return Finding(one.folder, "foreign", f"its receipt is that of {of}", one)
    if any(ancestor.recipe.key != key for key, ancestor in receipt.tree.items()):
        return Finding(one.folder, "damaged", "its receipt contradicts itself", one)
    for output in receipt.outputs.values():
        path = one.folder / output.file
        try:
            if path.is_symlink():
                return Finding(one.folder, "damaged", f"{output.file} is a link", one)
            if path.stat().st_size != output.size:
                return Finding(one.folder, "damaged", f"{output.file} has another size", one)
            if sha256_file(path) != output.sha256:
                return Finding(one.folder, "damaged", f"{output.file} has other contents", one)
        except FileNotFoundError:
            return Finding(one.folder, "incomplete", f"{output.file} is missing", one)
        except OSError as error:
            return Finding(one.folder, "damaged", f"{output.file}: {error.strerror}", one)
    return None


@dataclass(frozen=True)
class PruneRules:
    """What may go: objects that fit all rules given, and leftovers.

    Attributes:
        older_than: seconds since an object was used last.
        larger_than: bytes of the whole store, above which those used longest ago go.
        reached: objects that stay, as other rules do not look at them; None if all may go.
        leftovers: whether leftovers of jobs go.
        parts_kept: seconds that finished parts of a cut job are kept.
    """

    older_than: float | None = None
    larger_than: int | None = None
    reached: Collection[tuple[str, str]] | None = None
    leftovers: bool = False
    parts_kept: float = PARTS_KEPT

    @property
    def of_objects(self) -> bool:
        """Whether any rule is about objects."""
        return not (self.older_than is None and self.larger_than is None and self.reached is None)


@dataclass(frozen=True)
class Waste:
    """What goes, and why; `size` in bytes."""

    folder: Path
    size: int
    reason: str


def waste(found: Contents, rules: PruneRules, now: float) -> list[Waste]:
    """What of a store goes by the rules, leftovers first, then what was used longest ago.

    Args:
        found: everything in the store.
        rules: what may go.
        now: seconds since the epoch.
    """
    gone = list(_left(found, rules, now)) if rules.leftovers else []
    if not rules.of_objects:
        return gone
    size = found.size - sum(one.size for one in gone)
    for one in sorted(found.objects, key=lambda one: (one.used, one.stage, one.key)):
        age = now - one.used
        if rules.larger_than is not None and size <= rules.larger_than:
            break
        if rules.older_than is not None and age <= rules.older_than:
            continue
        if rules.reached is not None and (one.stage, one.key) in rules.reached:
            continue
        unused = f"unused for {age / DAY:.0f} days" if age >= DAY else "used today"
        reason = unused if rules.reached is None else f"not reached, {unused}"
        gone.append(Waste(one.folder, one.size, reason))
        size -= one.size
    return gone


def _left(found: Contents, rules: PruneRules, now: float) -> Iterator[Waste]:
    for one in found.leftovers:
        age, reason = now - one.changed, ""
        if one.host is None:
            if one.whole:
                reason = "finished parts of an object that is there"
            elif age > rules.parts_kept:
                reason = f"finished parts, {age / DAY:.0f} days old"
        elif one.alive is False:
            reason = "of a job that ended"
        elif one.alive is None and age > ELSEWHERE:
            reason = f"of a job on {one.host}, {age / DAY:.0f} days old"
        if reason:
            yield Waste(one.folder, one.size, reason)


def remove(store: Store, folder: Path) -> None:
    """Remove an object or a leftover of a store.

    Raises:
        InputError: if it is not of that store, or cannot be removed.
    """
    _within(store, folder)
    try:
        store.clear(folder)
    except OSError as error:
        raise InputError(f"{folder}: cannot be removed ({error.strerror})") from None
    if folder.exists():
        raise InputError(f"{folder}: cannot be removed; see who may write there")
    store.drop_notes(folder.parent.name, folder.name)


def forget_objects(paths: Iterable[Path], project: Project) -> list[tuple[Path, int]]:
    """Remove the objects that readable names stand for, so that the next run makes them anew.

    Args:
        paths: names, or folders of names.
        project: whose names they are.

    Returns:
        Names whose objects went, one of each object, with bytes freed.

    Raises:
        InputError: if a path is no name of an object in a store of the project, and nothing has
            been removed; or if an object cannot be removed.
    """
    chosen: dict[Path, tuple[Path, Store]] = {}
    stores = {os.path.realpath(store.root): store for store in project.stores}
    for path in paths:
        links = list(links_below(path, set(stores)))
        if not links:
            raise InputError(_no_name(path))
        for link in links:
            place = object_of(link)
            store = stores.get(os.path.realpath(place.parents[2])) if place else None
            if place is None or store is None or not KEY.fullmatch(place.parent.name):
                raise InputError(f"{link}: stands for nothing in a store of this project")
            chosen[store.folder(place.parent.parent.name, place.parent.name)] = (link, store)
    return [(link, _forgotten(store, folder)) for folder, (link, store) in chosen.items()]


def _forgotten(store: Store, folder: Path) -> int:
    stage, key = folder.parent.name, folder.name
    size, _ = extent(str(folder))
    try:
        store.forget(stage, key)
    except OSError as error:
        raise InputError(f"{folder}: cannot be removed ({error.strerror})") from None
    return size


def _no_name(path: Path) -> str:
    if not (path.exists() or path.is_symlink()):
        return f"{path}: not found; name a file of `work` or `cache`"
    if path.is_dir():
        return f"{path}: no file below it stands for an object of a store"
    return f"{path}: a file of its own, no name of an object; delete it, and it is made anew"


def _within(store: Store, folder: Path) -> None:
    """Refuse what a store does not put where this lies.

    Raises:
        InputError: if a name is another, or a link leads away.
    """
    names = folder.relative_to(store.root).parts if folder.is_relative_to(store.root) else ()
    places = [folder, *folder.parents][: len(names)]
    match names:
        case (first, name) if first == IN_THE_MAKING:
            fits = bool(MAKING.fullmatch(name))
        case (_, name):
            fits = bool(KEY.fullmatch(name))
        case (first, second, name):
            fits = (first, second) == (IN_THE_MAKING, PARTS) and bool(NAMED.fullmatch(name))
        case _:
            fits = False
    if not fits or any(place.is_symlink() for place in places):
        raise InputError(f"{folder}: no object of a store, and not removed")
