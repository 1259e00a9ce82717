"""Around every job: found in the store, or made, compared once more, and added."""

from __future__ import annotations

import logging
import os
import resource
import shutil
import socket
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, cast

from susx.artifacts.ground import (
    Job,
    Storage,
    arrivals,
    intact_object,
    object_file,
    object_source,
    recipe_of,
    source_of,
    sources_beside,
)
from susx.artifacts.memory import NOT_THERE, Memory
from susx.artifacts.recipe import Output, Receipt, Recipe, Source
from susx.artifacts.store import RECEIPT, Counted, Store
from susx.core.errors import InputError
from susx.core.files import sha256_file, sha256_json, write_errors
from susx.core.provenance import made_with
from susx.core.stamps import stamp_of

LOG = logging.getLogger(__name__)
HANDED_OVER = "handed-over"
"""Folder among the parts of a job with all that it makes, from one that read the same."""


@dataclass(frozen=True)
class Paths:
    """What a job reads and writes.

    Attributes:
        inputs: by name; links to objects are followed, so that they cannot be switched meanwhile.
        outputs: by name; where they are to be written.
        parts: folder for finished parts, which a later try goes on from; None without a store.
        receipt: recipe and tree of what is made, its outputs still unknown; None if the recipe is
            not known before the work.
        store: where the outputs go.
    """

    inputs: Mapping[str, Sequence[str]]
    outputs: Mapping[str, str]
    parts: Path | None = None
    receipt: Receipt | None = None
    store: Store | None = None

    def kin(self, *besides: str) -> list[Path]:
        """Earlier outputs of this stage that were made from others of the inputs `besides` only."""
        if self.store is None or self.receipt is None:
            return []
        return self.store.kin(self.receipt.recipe, besides)

    def relatives(self, besides: Collection[str], counted: Counted) -> list[dict[str, Path]]:
        """Earlier outputs of this stage, by name, whose inputs and settings that count are these.

        Args:
            besides: names of inputs that do not count.
            counted: of the settings, those that do.
        """
        if self.store is None or self.receipt is None:
            return []
        return self.store.relatives(self.receipt.recipe, besides, counted)


def make(job: Job, work: Callable[[Paths], None]) -> None:
    """Let a job make its outputs, unless they are in its store.

    Args:
        job: the job.
        work: makes the outputs.

    Raises:
        InputError: from `work`; or if an input is damaged, or changed while it was read.
    """
    if job.kept is None:
        work(Paths(job.inputs, job.outputs))
        return
    maker = _Maker(job, job.kept)
    if job.kept.store is None:
        maker.make_own(work)
    else:
        maker.make_object(Store(job.kept.store), work)


def make_together(
    job: Job, others: Sequence[Job], work: Callable[[Sequence[tuple[Job, Paths]]], None]
) -> None:
    """Let a job make its outputs, and at once those of others, which read the same files.

    What others need is handed over to them: when they run, they look whether it was made from what
    lies there then, and add it to their store themselves. Where the work fails, it is done again
    for `job` alone: the fault may be another's.

    Args:
        job: the job.
        others: of the same rule; those are left out whose outputs are in their store, and those
            whose inputs are damaged or missing.
        work: makes the outputs of all jobs that it is given, the first of which is `job`, unless
            that is in its store.

    Raises:
        InputError: as `make`.
    """
    try:
        _make_all(job, others, work)
    except Exception as error:
        if not others:
            raise
        LOG.warning("not made with others (%s: %s), but alone", type(error).__name__, error)
        make(job, lambda paths: work([(job, paths)]))


def _make_all(
    job: Job, others: Sequence[Job], work: Callable[[Sequence[tuple[Job, Paths]]], None]
) -> None:
    with ExitStack() as stack:
        handed = [(other, stack.enter_context(_handing_over(other))) for other in others]
        needed = [(other, paths) for other, paths in handed if paths]
        worked = False

        def work_for_all(paths: Paths) -> None:
            nonlocal worked
            worked = True
            work([(job, paths), *needed])

        make(job, work_for_all)
        if needed and not worked:
            work(needed)


@contextmanager
def _handing_over(job: Job) -> Iterator[Paths | None]:
    """What another job reads, and where to write for it; None if that cannot be, or need not."""
    maker = None
    try:
        if job.kept and job.kept.store:
            maker = _Maker(job, job.kept)
    except InputError as error:
        LOG.warning("left to its own job: %s", error)
    if maker is None or job.store is None:
        yield None
        return
    with maker.handing_over(job.store) as paths:
        yield paths


def _handed_over(paths: Paths) -> Path:
    return cast("Path", paths.parts) / HANDED_OVER


def _was_handed_over(paths: Paths) -> bool:
    """Whether the outputs had been made by another job; then they are put where they belong."""
    outputs = [Path(path) for path in paths.outputs.values()]
    place = outputs[0].parent / HANDED_OVER
    try:
        _handed_over(paths).rename(place)
    except OSError:
        return False
    for path in outputs:
        (place / path.name).rename(path)
    place.rmdir()
    LOG.info("made by a job that read the same: nothing to make")
    return True


class _Maker:
    """One job at work, with the recipe of what lay there when it began.

    `before` is None if a model of the hub is not in the local cache yet.
    """

    def __init__(self, job: Job, kept: Storage) -> None:
        self._job, self._kept = job, kept
        self._began = _now()
        self._refuse_overtaken()
        self._objects = {path: place for path in self._paths() if (place := kept.meant(path))}
        self._refuse_overtaken()  # the names may have been switched while they were looked up
        self._check_objects()
        self._inputs = {n: [self._followed(p) for p in paths] for n, paths in job.inputs.items()}
        self._tree = self._ancestors()
        self._before, self._stamps = self._recipe()

    def make_own(self, work: Callable[[Paths], None]) -> None:
        """Make outputs that are files of their own, and write their receipts."""
        outputs = self._job.outputs
        receipts = [self._kept.receipt_file(path) for path in outputs.values()]
        for path in receipts:
            path.unlink(missing_ok=True)
        try:
            work(Paths(self._inputs, outputs, receipt=self._foreseen))
        except InputError as error:
            raise self._in_readable_names(error, {}) from error
        recipe = self._unchanged()
        memory = Memory(self._kept.memory)
        made = {name: _output(Path(path), memory) for name, path in outputs.items()}
        for path in receipts:
            self._receipt(recipe, made).write(path)

    def make_object(self, store: Store, work: Callable[[Paths], None]) -> None:
        """Find the object, or make and add it; then link the outputs to it."""
        before, memory = self._before, Memory(self._kept.memory)
        if before and (found := intact_object(store, before, memory)):
            LOG.info("found in %s: nothing to make", store.root)
        else:
            if before and store.find(before.stage, before.key):  # of the right size, but damaged
                self._discard_damaged(store, before)
            found = self._add_object(store, work)
        store.note_use(found.recipe.stage, found.recipe.key)
        folder = store.folder(found.recipe.stage, found.recipe.key)
        self._refuse_overtaken()
        for name, path in self._job.outputs.items():
            self._kept.mean(path, folder / object_file(name, path))

    def _refuse_overtaken(self) -> None:
        """Stop where two runs of one project are at work, whose names may mean different things.

        Raises:
            InputError: if another run has been planned since.
        """
        if self._kept.is_overtaken():
            raise InputError(
                f"{', '.join(self._job.outputs.values())}: another run of this project has begun "
                "since this one was planned; let it end, and run again; what is finished is found"
            )

    def _discard_damaged(self, store: Store, recipe: Recipe) -> None:
        place = store.folder(recipe.stage, recipe.key)
        try:
            store.discard(recipe.stage, recipe.key)
        except OSError as error:
            raise InputError(
                f"{place}: is damaged, and cannot be removed ({error.strerror}); ask its owner to "
                "delete it, or set another `roots.store`"
            ) from None

    def _add_object(self, store: Store, work: Callable[[Paths], None]) -> Receipt:
        job, before, files = self._job, self._before, self._files
        memory = Memory(self._kept.memory)
        with store.making() as folder:
            paths = self._paths_in(store, folder)
            try:
                if not _was_handed_over(paths):
                    work(paths)
            except Exception as error:
                if before and (there := store.find(job.stage, before.key)):
                    LOG.info("made meanwhile by another process, which removed what this one read")
                    return there
                if isinstance(error, InputError):
                    raise self._in_readable_names(error, paths.outputs) from error
                raise
            recipe = self._unchanged()
            made = {name: _output(folder / file, memory) for name, file in files.items()}
            receipt = store.add(folder, self._receipt(recipe, made))
            shutil.rmtree(store.parts(job.stage, recipe.key), ignore_errors=True)
        place = store.folder(job.stage, recipe.key)
        for output in receipt.outputs.values():
            path = str(place / output.file)
            memory.remember(path, output.sha256, stamp_of(path), settled=True)
        came = {name: output.sha256 for name, output in receipt.outputs.items()}
        if memory.expected(recipe.key) not in (None, came):
            raise InputError(
                f"{', '.join(job.outputs.values())}: came out different from what other files were "
                "made from before; run again, and these are made again"
            )
        return receipt

    @contextmanager
    def handing_over(self, store: Store) -> Iterator[Paths | None]:
        """What to read, and where to write what this job will find; None if it needs nothing."""
        before = self._before
        with store.making() as folder:
            paths = self._paths_in(store, folder)
            place = _handed_over(paths)
            if before is None or place.exists() or store.find(before.stage, before.key):
                yield None
                return
            yield paths
            with write_errors(place):
                place.parent.mkdir(parents=True, exist_ok=True)
                folder.rename(place)

    def _paths_in(self, store: Store, folder: Path) -> Paths:
        """What to read, and where to write in the folder of an object in the making."""
        files = {name: str(folder / file) for name, file in self._files.items()}
        return Paths(self._inputs, files, self._parts(store, folder), self._foreseen, store)

    @property
    def _files(self) -> dict[str, str]:
        """Names of the outputs within their object."""
        return {name: object_file(name, path) for name, path in self._job.outputs.items()}

    def _parts(self, store: Store, making: Path) -> Path:
        """Folder for finished parts, made while files of the same stamps lay there.

        A file may be replaced while a job runs, and put back when that job has been cut.
        """
        if self._before is None:
            return making / "parts"
        looked = sha256_json(sorted(self._stamps.items()))
        return store.parts(self._job.stage, self._before.key) / looked[:32]

    def _in_readable_names(self, error: InputError, outputs: Mapping[str, str]) -> InputError:
        """The error with the names that stand for objects."""
        text = str(error)
        for name, path in outputs.items():
            text = text.replace(path, self._job.outputs[name])
        for name, paths in self._inputs.items():
            for path, readable in zip(paths, self._job.inputs[name], strict=True):
                text = text.replace(path, readable)
        return InputError(text)

    @property
    def _foreseen(self) -> Receipt | None:
        return Receipt(self._before, {}, {}, self._tree_of(self._before)) if self._before else None

    def _recipe(self) -> tuple[Recipe | None, dict[str, str]]:
        """Recipe of what lies there now, and the stamps of all inputs.

        Raises:
            InputError: if an input is gone, or has company that the plan did not know.
        """
        if came := arrivals(self._job):
            raise InputError(f"{_first(came)}: not there yet when this was planned; run again")
        memory = Memory(self._kept.memory)
        inputs: dict[str, list[Source]] = {}
        for name, paths in self._job.inputs.items():
            for path in paths:
                place = self._objects.get(path)
                source = object_source(path, place) if place else source_of(path, memory)
                if source is None or source.identity == NOT_THERE:
                    raise InputError(f"{path}: not found; run again")
                inputs.setdefault(name, []).append(source)
        beside = sources_beside(self._job, memory)
        recipe = None if beside is None else recipe_of(self._job, {**inputs, **beside})
        return recipe, memory.stamps

    def _unchanged(self) -> Recipe:
        """Recipe after the work.

        Raises:
            InputError: if it is another than before, an input was written and put back meanwhile,
                or a hub model still has no commit.
        """
        after, stamps = self._recipe()
        if after is None:
            models = ", ".join(model for model, _ in self._job.params.get("hub", ()))
            raise InputError(
                f"{models}: its commit is not in the local cache of the hub, so that what was made "
                "cannot be told from what another version makes; fetch it with `hf download` and "
                "run again"
            )
        if self._before is not None and after.key != self._before.key:
            changed = "; ".join(after.differences(self._before))
            raise InputError(f"an input changed while this ran ({changed}); run again")
        if written := [path for path, stamp in stamps.items() if self._stamps.get(path) != stamp]:
            raise InputError(f"{_first(written)}: written while this ran; run again")
        return after

    def _check_objects(self) -> None:
        """Compare the objects that are read with their receipts.

        Raises:
            InputError: if one was damaged or overwritten.
        """
        memory = Memory(self._kept.memory)
        for path, place in self._objects.items():
            if memory.sha256(str(place)) != object_source(path, place).identity:
                raise InputError(
                    f"{path}: is not what was made any more, it was damaged or overwritten in "
                    f"{place}; run again, and it is made again"
                )

    def _paths(self) -> list[str]:
        return [path for paths in self._job.inputs.values() for path in paths]

    def _followed(self, path: str) -> str:
        """The object behind a link, as a path below the working folder where it lies there."""
        place = self._objects.get(path)
        if place is None:
            return path
        return os.path.relpath(place) if place.is_relative_to(Path.cwd()) else str(place)

    def _receipt(self, recipe: Recipe, outputs: Mapping[str, Output]) -> Receipt:
        made = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "host": socket.gethostname(),
            "took": _took(self._began),
            **_made_with(),
        }
        return Receipt(recipe, outputs, made, self._tree_of(recipe))

    def _tree_of(self, recipe: Recipe) -> dict[str, Receipt]:
        return {key: receipt for key, receipt in self._tree.items() if key != recipe.key}

    def _ancestors(self) -> dict[str, Receipt]:
        """Receipts of everything that led to the inputs."""
        tree: dict[str, Receipt] = {}
        for path in self._paths():
            if place := self._objects.get(path):
                tree |= Receipt.read(place.parent / RECEIPT).with_ancestors
            elif (own := self._kept.receipt_file(path)).exists():
                tree |= Receipt.read(own).with_ancestors
        return tree


@cache
def _made_with() -> dict[str, Any]:
    return made_with()


def _first(paths: Sequence[str]) -> str:
    return paths[0] if len(paths) == 1 else f"{paths[0]}, and {len(paths) - 1} more"


def _now() -> tuple[float, float]:
    """Seconds of the clock, and of the processor for this process and those it waited for."""
    return time.perf_counter(), sum(os.times()[:4])


def _took(began: tuple[float, float]) -> dict[str, float]:
    """What was spent since, and the peak of memory so far."""
    seconds, cpu_seconds = (now - then for now, then in zip(_now(), began, strict=True))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # KiB on Linux
    rounded = {"seconds": seconds, "cpu_seconds": cpu_seconds, "peak_mib": peak}
    return {name: round(value, 3) for name, value in rounded.items()}


def _output(path: Path, memory: Memory) -> Output:
    """What was written, a file or a folder of files."""
    if path.is_dir():
        return Output(path.name, memory.identity(str(path)) or "", 0)
    try:
        return Output(path.name, sha256_file(path), path.stat().st_size)
    except FileNotFoundError:
        raise InputError(f"{path.name}: the job ended without writing it") from None
