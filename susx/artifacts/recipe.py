"""What an artifact is made from, and the receipt that says so."""

from __future__ import annotations

import hashlib
import json
import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from susx.core.errors import InputError
from susx.core.files import read_checked, write_checked

FORMAT = "susx-receipt-1"

HUB, LISTED, PACKAGES = "hub", "listed", "packages"
"""Names of inputs that are no files: models of the hub, images that a list names, packages."""

TOLD_BY_NAME = frozenset({"model", "files"})
"""Inputs of which names tell what a file is for: files of a model, lists and shards of images."""


@dataclass(frozen=True)
class Source:
    """One input: where it lay, the identity of its content, and the recipe that made it, if any."""

    path: str
    identity: str
    key: str | None = None


@dataclass(frozen=True)
class Recipe:
    """Everything that the content of an artifact depends on.

    Attributes:
        stage: name of the rule.
        version: of the stage's code.
        settings: those that change what comes out; no paths, threads, devices or batch sizes.
        inputs: by name, in order.
    """

    stage: str
    version: int
    settings: Mapping[str, Any]
    inputs: Mapping[str, Sequence[Source]]

    @cached_property
    def key(self) -> str:
        """SHA-256 of the recipe: of inputs only their content, never where they lie.

        The order of settings counts: the parts of a prompt strategy are a mapping. So do names of
        files that are told apart by them, below the folder that holds them all.
        """
        named = sorted(self.inputs.items())
        inputs = {
            name: [
                _names(sources) if name in TOLD_BY_NAME else [],
                [source.identity for source in sources],
            ]
            for name, sources in named
        }
        text = json.dumps([self.stage, self.version, self.settings, inputs])
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def sources(self) -> list[Source]:
        """All inputs, whatever their names."""
        return [source for sources in self.inputs.values() for source in sources]

    def differences(self, earlier: Recipe) -> list[str]:
        """What changed since an earlier recipe, in words."""
        found = []
        if self.version != earlier.version:
            found.append(f"stage {self.stage} is of version {self.version}, was {earlier.version}")
        names = [*self.settings, *(name for name in earlier.settings if name not in self.settings)]
        for name in names:
            if json.dumps(self.settings.get(name)) != json.dumps(earlier.settings.get(name)):
                found.append(f"setting {name} changed")
        for name in dict.fromkeys([*self.inputs, *earlier.inputs]):
            now, then = self.inputs.get(name, ()), earlier.inputs.get(name, ())
            if [s.identity for s in now] == [s.identity for s in then]:
                if name in TOLD_BY_NAME and _names(now) != _names(then):
                    found.append(f"names of {name} changed")
                continue
            before = {source.path: source.identity for source in then}
            changed = [s.path for s in now if before.get(s.path) != s.identity]
            gone = [path for path in before if path not in {s.path for s in now}]
            found.append(_changed(name, changed, gone))
        return found


def _names(sources: Sequence[Source]) -> list[str]:
    """Paths below the folder that holds all of them."""
    if len({source.path.startswith("/") for source in sources}) != 1:  # no such folder is told
        return [source.path for source in sources]
    root = posixpath.commonpath([posixpath.dirname(source.path) or "." for source in sources])
    return [posixpath.relpath(source.path, root) for source in sources]


def _changed(name: str, changed: Sequence[str], gone: Sequence[str]) -> str:
    shown, verb = (changed, "changed") if changed else (gone, "is no input any more")
    if not shown:
        return f"order of {name or 'inputs'} changed"
    return f"{shown[0]} {verb}" + (f", and {len(shown) - 1} more" if len(shown) > 1 else "")


@dataclass(frozen=True)
class Output:
    """A made file: its name within the object, its SHA-256 and size in bytes."""

    file: str
    sha256: str
    size: int


@dataclass(frozen=True)
class Receipt:
    """What lies beside an artifact and says what it is.

    Attributes:
        recipe: what it was made from.
        outputs: made files by name.
        made: when, where and with which packages; of no consequence for the key.
        tree: receipts of everything that led to it, by key, so that it can be checked when those
            files are gone; their own `tree` and `made` are empty.
    """

    recipe: Recipe
    outputs: Mapping[str, Output]
    made: Mapping[str, Any] = field(default_factory=dict)
    tree: Mapping[str, Receipt] = field(default_factory=dict)

    @property
    def with_ancestors(self) -> dict[str, Receipt]:
        """The tree, and this receipt itself, by key."""
        return {**self.tree, self.recipe.key: Receipt(self.recipe, self.outputs)}

    @property
    def packages(self) -> dict[str, str]:
        """Versions of the packages of others that anything of this was made with, by name.

        Several of one package are joined: `1.0 / 1.1`.
        """
        recipes = [receipt.recipe for receipt in self.with_ancestors.values()]
        named = {source.path for recipe in recipes for source in recipe.inputs.get(PACKAGES, ())}
        found: dict[str, str] = {}
        for name, _, version in (text.rpartition(" ") for text in sorted(named)):
            found[name] = f"{found[name]} / {version}" if name in found else version
        return found

    @property
    def identity(self) -> dict[str, Any]:
        """Plain values of its recipe and tree, for what keeps them inside: all but its outputs."""
        of_recipe = Receipt(self.recipe, {}, {}, self.tree)
        receipts = sorted(of_recipe.with_ancestors.items())
        return {"key": self.recipe.key, "tree": {key: _plain(one) for key, one in receipts}}

    @classmethod
    def of_identity(cls, data: Mapping[str, Any]) -> Receipt:
        """Receipt, without outputs, of the plain values of `identity`.

        Raises:
            KeyError, TypeError, ValueError: if they are none.
        """
        tree = {key: _receipt(value) for key, value in data["tree"].items()}
        own = tree.pop(data["key"])
        for one in (*tree.values(), own):
            texts = [one.recipe.stage, *(output.sha256 for output in one.outputs.values())]
            for source in one.recipe.sources:
                texts += [source.path, source.identity]
                texts += [] if source.key is None else [source.key]
            if not all(isinstance(text, str) for text in texts):
                raise TypeError(one.recipe)
        return cls(own.recipe, {}, {}, tree)

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        tree = {key: _plain(receipt) for key, receipt in sorted(self.tree.items())}
        return {"format": FORMAT, **_plain(self), "made": dict(self.made), "tree": tree}

    def write(self, path: str | Path) -> None:
        """Write it with its checksum."""
        write_checked(path, self.as_json())

    @classmethod
    def of_json(cls, data: Mapping[str, Any]) -> Receipt:
        """Receipt of the plain values of `as_json`.

        Raises:
            KeyError, TypeError, ValueError: if they are none.
        """
        if data["format"] != FORMAT:
            raise ValueError(data["format"])
        own = _receipt(data)
        tree = {key: _receipt(value) for key, value in data["tree"].items()}
        return cls(own.recipe, own.outputs, data["made"], tree)

    @classmethod
    def read(cls, path: str | Path) -> Receipt:
        """Read it.

        Raises:
            InputError: if it is missing, damaged or of another format.
        """
        data = read_checked(path, "what it belongs to is made again")
        try:
            return cls.of_json(data)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(f"{path}: not a receipt of this version ({error})") from None


def _plain(receipt: Receipt) -> dict[str, Any]:
    return {
        "recipe": asdict(receipt.recipe),
        "outputs": {name: asdict(output) for name, output in receipt.outputs.items()},
    }


def _receipt(data: Mapping[str, Any]) -> Receipt:
    recipe = data["recipe"]
    inputs = {
        name: tuple(Source(**source) for source in sources)
        for name, sources in recipe["inputs"].items()
    }
    outputs = {name: Output(**output) for name, output in data["outputs"].items()}
    return Receipt(Recipe(recipe["stage"], recipe["version"], recipe["settings"], inputs), outputs)
