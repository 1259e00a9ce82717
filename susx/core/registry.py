"""Things that are found by name: built in, or brought by installed packages as entry points."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

from susx.core.errors import InputError, listing, suggestion

T = TypeVar("T")
OWN = "susx"
"""Distribution of what is built in."""
GROUPS = "susx."
"""Begins the names of all groups of entry points that are read."""


@dataclass(frozen=True)
class Package:
    """An installed distribution, and the code behind an entry point of it.

    Attributes:
        name: of the distribution.
        version: of the distribution.
        sources: SHA-256 of the Python files of the module or package that the entry point names;
            a distribution that is installed for editing keeps its version.
    """

    name: str
    version: str
    sources: str

    @property
    def identity(self) -> str:
        """SHA-256 of all that tells it from its other versions."""
        return hashlib.sha256(
            "\0".join((self.name, self.version, self.sources)).encode()
        ).hexdigest()


class Registry(Mapping[str, T], Generic[T]):
    """Things of one kind by name, the built-in ones first.

    Installed packages are looked at when a name is asked for, and what they bring is imported when
    it is used. Names stand for one thing each.
    """

    def __init__(
        self,
        kind: str,
        group: str,
        built_in: Mapping[str, T | str],
        problem: Callable[[str, Any], str | None] = lambda name, found: None,
    ) -> None:
        """Begin.

        Args:
            kind: what one is, for messages.
            group: of the entry points.
            built_in: things by name, or where they are, as `module:attribute`.
            problem: says what is wrong with what an entry point of a name leads to, or None.
        """
        self.kind, self.group = kind, group
        self._built_in, self._problem = dict(built_in), problem

    @property
    def built_in(self) -> list[str]:
        """Names of what comes with this package."""
        return list(self._built_in)

    @property
    def added(self) -> list[str]:
        """Names of what installed packages bring."""
        return [name for name in self if name not in self._built_in]

    def __iter__(self) -> Iterator[str]:
        names = dict.fromkeys(self._built_in)
        return iter(names | dict.fromkeys(sorted(_installed(self.group))))

    def __len__(self) -> int:
        return len(list(iter(self)))

    def __contains__(self, name: object) -> bool:
        return name in self._built_in or name in _installed(self.group)

    def __getitem__(self, name: str) -> T:
        """Find it.

        Raises:
            KeyError: if nothing is called so.
            InputError: if several things are, or the one that is cannot be imported.
        """
        entries = _installed(self.group).get(name, ())
        self._require_one(name, entries)
        if name in self._built_in:
            found = self._built_in[name]
            return cast(T, _attribute(found)) if isinstance(found, str) else found
        if not entries:
            raise KeyError(name)
        return cast(T, self._loaded(entries[0]))

    def named(self, name: str) -> T:
        """The same for a name that comes from outside.

        Raises:
            InputError: if nothing, or several things, are called so, or it cannot be imported.
        """
        if name not in self:
            raise InputError(f'no {self.kind} "{name}"{self.hint(name)}')
        return self[name]

    def hint(self, name: str) -> str:
        """Which names there are, and the nearest of them."""
        return f"{suggestion(name, self)}; there are {listing(self, len(self))}"

    def packages(self, *names: str) -> dict[str, list[str]]:
        """Those of some names that installed packages bring, by group, as `packages_behind` asks.

        Empty if all of them are built in.
        """
        added = [name for name in dict.fromkeys(names) if name not in self._built_in]
        return {self.group: added} if added else {}

    def _require_one(self, name: str, entries: tuple[EntryPoint, ...]) -> None:
        owners = [_owner(entry) for entry in entries]
        if name in self._built_in:
            owners = [OWN, *owners]
        if len(owners) > 1:
            raise InputError(
                f'{self.kind} "{name}" is brought by {owners[0]} and by {owners[1]}; uninstall one '
                "of the two"
            )

    def _loaded(self, entry: EntryPoint) -> Any:
        where = f'package {_owner(entry)}: entry point "{entry.name}" of {self.group}'
        try:
            found = entry.load()
        except Exception as error:  # a foreign module may raise anything as it is imported
            raise InputError(
                f"{where}: {entry.value} cannot be imported ({type(error).__name__}: {error}); "
                "install what it needs, or uninstall it"
            ) from error
        if problem := self._problem(entry.name, found):
            raise InputError(f"{where}: {entry.value} {problem}")
        return found


def packages_behind(used: Mapping[str, list[str]]) -> list[Package]:
    """Installed packages that bring some things, each once.

    Args:
        used: names by group of entry points.

    Raises:
        InputError: if none brings one of them.
    """
    found: set[Package] = set()
    for group, names in used.items():
        for name in names:
            packages = _packages(group, name, tuple(sys.path))
            if not packages:
                raise InputError(f'no installed package brings "{name}" of {group}; install it')
            found.update(packages)
    return sorted(found, key=lambda package: (package.name, package.sources))


def packages_called(name: str) -> list[Package]:
    """What an installed distribution brings to susx, by the packages that its entry points name."""
    path = tuple(sys.path)
    found = {
        package
        for group, entries in _all_installed(path).items()
        for entry in entries
        for package in _packages(group, entry, path)
        if package.name == name
    }
    return sorted(found, key=lambda package: package.sources)


def imported(place: str) -> Any:
    """What `module:attribute` names.

    Raises:
        InputError: if it cannot be imported.
    """
    try:
        return _attribute(place)
    except (ImportError, AttributeError) as error:
        raise InputError(f"{place}: cannot be imported ({error})") from error


def _attribute(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)


def _installed(group: str) -> Mapping[str, tuple[EntryPoint, ...]]:
    return _all_installed(tuple(sys.path)).get(group, {})


@cache
def _all_installed(_path: tuple[str, ...]) -> Mapping[str, Mapping[str, tuple[EntryPoint, ...]]]:
    """Entry points of our groups by group and name, of what is installed on a path."""
    entries = entry_points()
    found: dict[str, dict[str, tuple[EntryPoint, ...]]] = {}
    for group in entries.groups:
        if group.startswith(GROUPS):
            names = found.setdefault(group, {})
            for entry in entries.select(group=group):
                names[entry.name] = (*names.get(entry.name, ()), entry)
    return found


def _owner(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist else entry.module


@cache  # planning asks for every job
def _packages(group: str, name: str, path: tuple[str, ...]) -> list[Package]:
    return [
        Package(
            _owner(entry),
            entry.dist.version if entry.dist else "",
            _sources(entry.module.partition(".")[0]),
        )
        for entry in _all_installed(path).get(group, {}).get(name, ())
    ]


def _sources(module: str) -> str:
    """SHA-256 of the Python files of a module or package, without importing it."""
    spec = find_spec(module)
    folders = [Path(place) for place in (spec and spec.submodule_search_locations) or ()]
    files = {path.relative_to(f).as_posix(): path for f in folders for path in f.rglob("*.py")}
    if not folders and spec and spec.origin:
        files = {Path(spec.origin).name: Path(spec.origin)}
    digests = [
        [name, hashlib.sha256(files[name].read_bytes()).hexdigest()] for name in sorted(files)
    ]
    return hashlib.sha256(repr(digests).encode()).hexdigest()
