"""What lies on disk now: the identities of inputs, and the receipts of what was made."""

from __future__ import annotations

import glob
import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from susx.artifacts.memory import Memory
from susx.artifacts.recipe import HUB, LISTED, PACKAGES, Receipt, Recipe, Source
from susx.artifacts.stages import version_of
from susx.artifacts.store import RECEIPT, Store, link, object_of, receipt_of
from susx.core.errors import InputError
from susx.core.files import atomic
from susx.core.hub import snapshot_commit
from susx.core.models import files_of_model
from susx.core.registry import packages_behind

RUN = "SUSX_RUN"
"""Environment variable with the name of a run, which its jobs inherit."""
RUNS_KEPT = 100
"""Names of earlier runs that are kept: more than will be planned while one job runs."""

UNCOUNTED = frozenset({"how", "kept", HUB, LISTED, PACKAGES})
"""Parameters of a rule that are no settings: how a job runs, where its outputs are kept, and what
else it is made from."""


@dataclass(frozen=True)
class Storage:
    """Where the outputs of a rule are kept.

    Attributes:
        work: folder of the project's own files: remembered hashes, receipts of outputs that are
            files of their own, and links that say which objects its names stand for. The names
            themselves may lie where another project switches them, so no job follows those.
        stores: all stores of the project; links into others are sources like any file.
        store: store of the outputs; None if they are files of their own.
    """

    work: str
    stores: Sequence[str] = ()
    store: str | None = None

    @property
    def memory(self) -> str:
        """Folder of remembered hashes."""
        return f"{self.work}/memory"

    def object_of(self, path: str) -> Path | None:
        """The file of a store of this project that a name stands for, there or not."""
        place = object_of(path)
        if place is None:
            return None
        stores = {os.path.realpath(store) for store in self.stores}
        return place if os.path.realpath(place.parent.parent.parent) in stores else None

    def meant(self, path: str) -> Path | None:
        """The file of a store that a name stands for in this project, there or not."""
        return self.object_of(str(self._meaning(path))) or self.object_of(path)

    def is_meant(self, path: str, file: Path) -> bool:
        """Whether a name, and what this project means by it, lead to a file of a store."""
        names, place = (path, self._meaning(path)), os.path.realpath(file)
        return all(Path(n).is_symlink() and os.path.realpath(n) == place for n in names)

    def mean(self, path: str, file: Path) -> None:
        """Let a name stand for a file of a store.

        Raises:
            InputError: if a link cannot be written.
        """
        link(file, self._meaning(path))
        link(file, path)

    def begin(self) -> None:
        """Note that a run of this project has been planned, whose jobs have its name around them.

        Raises:
            InputError: if that cannot be written.
        """
        os.environ[RUN] = secrets.token_hex(8)
        runs = [*self._runs()[-RUNS_KEPT:], os.environ[RUN]]
        with atomic(self._list_of_runs) as temporary:
            temporary.write_text("\n".join(runs), "utf-8")

    def is_overtaken(self) -> bool:
        """Whether another run of this project has been planned since that of this job.

        That of a job which has no name of a run around it, as some executors start them, is not.
        """
        return os.environ.get(RUN) in self._runs()[:-1]

    def _runs(self) -> list[str]:
        try:
            return self._list_of_runs.read_text("utf-8").split()
        except OSError:
            return []

    @property
    def _list_of_runs(self) -> Path:
        return Path(self.memory, "runs")

    def receipt_file(self, output: str) -> Path:
        """Where the receipt of an output that is a file of its own lies."""
        return Path(self.work, "receipts", *_below(output)).with_name(f"{Path(output).name}.json")

    def _meaning(self, path: str) -> Path:
        return Path(self.work, "meanings", *_below(path))


def _below(path: str) -> list[str]:
    """Parts of a path for the same place below another folder."""
    parts = Path(path).parts[Path(path).is_absolute() :]
    return ["up" if part == ".." else part for part in parts]


@dataclass(frozen=True)
class Job:
    """One job of a run.

    Attributes:
        stage: name of its rule.
        inputs: paths by name, in order; those without a name under "".
        outputs: paths by name.
        params: parameters of the rule; all but `UNCOUNTED` change what is made.
        kept: where the outputs are kept; None if they are made whenever they are asked for.
    """

    stage: str
    inputs: Mapping[str, Sequence[str]]
    outputs: Mapping[str, str]
    params: Mapping[str, Any] = field(default_factory=dict)
    kept: Storage | None = None

    @classmethod
    def of(cls, stage: str, inputs: Any, outputs: Any, params: Any) -> Job:
        """Job of a rule, from lists of Snakemake's that partly have names."""
        given = dict(params.items())
        made = {name: paths[0] for name, paths in _by_name(outputs, "output").items()}
        kept = Storage(**given["kept"]) if isinstance(given["kept"], dict) else None
        return cls(stage, _by_name(inputs), made, given, kept)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Job:
        """Job from what `asdict` gives of one."""
        kept = data["kept"]
        return cls(**{**data, "kept": kept and Storage(**kept)})

    @property
    def name(self) -> str:
        """Its first output, which no other job of a run makes."""
        return next(iter(self.outputs.values()))

    @property
    def settings(self) -> dict[str, Any]:
        """Parameters that change what is made."""
        return {name: value for name, value in self.params.items() if name not in UNCOUNTED}

    @property
    def store(self) -> Store | None:
        """Store of the outputs."""
        return Store(self.kept.store) if self.kept and self.kept.store else None


def _by_name(files: Any, otherwise: str = "") -> dict[str, list[str]]:
    named = {
        name: [str(value)] if isinstance(value, str) else [str(path) for path in value]
        for name, value in files.items()
    }
    return named or ({otherwise: [str(path) for path in files]} if len(files) else {})


def object_file(name: str, path: str) -> str:
    """Name of an output within its object, the same whatever the project calls it."""
    return f"{name}{Path(path).suffix}"


def source_of(path: str, memory: Memory, at_any_cost: bool = False) -> Source | None:
    """What an input that no job makes is, by its content; None if that is over the budget."""
    identity = memory.identity(path, at_any_cost)
    return None if identity is None else Source(path, identity)


def object_source(path: str, place: Path) -> Source:
    """What an input is that stands for the file `place` of an object.

    Raises:
        InputError: if the object is gone or damaged.
    """
    try:
        receipt = Receipt.read(place.parent / RECEIPT)
        output = next(o for o in receipt.outputs.values() if o.file == place.name)
    except (InputError, StopIteration):
        raise InputError(f"{path}: its object in a store is gone or damaged; run again") from None
    return Source(path, output.sha256, receipt.recipe.key)


def sources_beside(job: Job, memory: Memory) -> dict[str, list[Source]] | None:
    """What a job is made from besides its input files.

    These are models of the hub, files that a list names, and packages that bring what it uses.

    Returns:
        None if something is not known yet.

    Raises:
        InputError: if such a package is not installed.
    """
    found: dict[str, list[Source]] = {}
    for model, revision in job.params.get(HUB, ()):
        commit = snapshot_commit(model, revision)
        if commit is None:
            return None
        found.setdefault(HUB, []).append(Source(f"{model}@{revision or 'main'}", commit))
    for package in packages_behind(job.params.get(PACKAGES, {})):
        source = Source(f"{package.name} {package.version}", package.identity)
        found.setdefault(PACKAGES, []).append(source)
    listed = job.params.get(LISTED, {})
    named = {f"images of {path}": images for path, images in _images_of_lists(listed).items()}
    for pattern in listed.get("fetched", ()):
        named[pattern] = sorted(glob.glob(pattern))  # noqa: PTH207
    for name, paths in named.items():
        identity = memory.listing(name, paths)
        if identity is None:
            return None
        found.setdefault(LISTED, []).append(Source(name, identity))
    return found


def _images_of_lists(listed: Mapping[str, Any]) -> dict[str, list[str]]:
    """Images that may lie anywhere, by the list that names them as it is now."""
    place = listed.get("place")
    if not place:
        return {}
    from susx.datasets.sources import Place  # which imports what decodes images

    return Place.of(place).listed(place["split"])


def arrivals(job: Job) -> list[str]:
    """Files that belong to the inputs of a job, but were not there when it was planned."""
    listed, glob_ = job.params.get(LISTED, {}), glob.glob
    models = [file for name in listed.get("models", ()) for file in files_of_model(name)]
    shards = [file for pattern in listed.get("shards", ()) for file in sorted(glob_(pattern))]
    known = {os.path.normpath(path) for paths in job.inputs.values() for path in paths}
    return [path for path in models + shards if os.path.normpath(path) not in known]


def recipe_of(job: Job, inputs: Mapping[str, Sequence[Source]]) -> Recipe:
    """The recipe of a job whose inputs are known."""
    return Recipe(job.stage, version_of(job.stage), job.settings, inputs)


def receipt_on_disk(job: Job) -> Receipt | None:
    """Receipt of what the outputs of a job are now; None if they are not of one making."""
    receipts = []
    for path in job.outputs.values():
        if job.store:
            receipts.append(receipt_of(path))
        elif job.kept:
            receipts.append(_own_receipt(job.kept, path))
    first = receipts[0] if receipts else None
    same = first and all(r and r.recipe.key == first.recipe.key for r in receipts)
    return first if same else None


def intact_object(store: Store, recipe: Recipe, memory: Memory) -> Receipt | None:
    """Receipt of an object if its files are what the receipt says, else None.

    Files that are over the budget of `memory` pass by their size.
    """
    receipt = store.find(recipe.stage, recipe.key)
    folder = store.folder(recipe.stage, recipe.key)
    for output in receipt.outputs.values() if receipt else ():
        if memory.sha256(str(folder / output.file)) not in (None, output.sha256):
            return None
    return receipt


def _own_receipt(kept: Storage, path: str) -> Receipt | None:
    try:
        return Receipt.read(kept.receipt_file(path))
    except InputError:
        return None
