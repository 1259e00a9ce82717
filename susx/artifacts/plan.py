"""Which outputs of a run are stale, which are found in a store, and why."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from susx.artifacts.ground import (
    Job,
    Storage,
    intact_object,
    object_file,
    receipt_on_disk,
    recipe_of,
    source_of,
    sources_beside,
)
from susx.artifacts.memory import Memory
from susx.artifacts.recipe import Receipt, Recipe, Source
from susx.artifacts.stages import UNREPEATABLE
from susx.artifacts.store import Store

CHEAP = frozenset({"model"})
"""Inputs that are hashed while planning whatever their size: one model stands behind all jobs."""

OBJECTS_HASHED = 2**30
"""Bytes of objects that are hashed while planning, about half a second; what lies beyond
passes by its size, and is looked at by the job that reads it."""


@dataclass(frozen=True)
class WorkPlan:
    """What a run has to do.

    Attributes:
        stale: outputs that have to be made, with the reason; none where an input is made again.
        found: outputs that are in a store, by the file to link them to.
        used: objects that need not be made, with their stores.
        expected: receipts of what is made again and should come out as it was.
    """

    stale: dict[str, str] = field(default_factory=dict)
    found: dict[str, str] = field(default_factory=dict)
    used: list[tuple[Store, Recipe]] = field(default_factory=list)
    expected: list[Receipt] = field(default_factory=list)

    def prepare(self, kept: Storage) -> None:
        """Link what is found, note that objects are used, and tell jobs what is expected of them.

        Args:
            kept: folders of the project.

        Raises:
            InputError: if a link cannot be written.
        """
        kept.begin()
        memory = Memory(kept.memory)
        for receipt in self.expected:
            outputs = {name: output.sha256 for name, output in receipt.outputs.items()}
            memory.expect(receipt.recipe.key, outputs)
        for path, file in self.found.items():
            kept.mean(path, Path(file))
        for store, recipe in self.used:
            store.note_use(recipe.stage, recipe.key)


@dataclass
class _State:
    """What is known of a job: its recipe, the receipt that fits it, and whether files are there.

    `receipt` is that of an object, of outputs on disk, or one that a later artifact remembers.
    `again` says that it is made again all the same, and is expected to come out as before.
    """

    recipe: Recipe | None = None
    receipt: Receipt | None = None
    there: bool = False
    again: bool = False
    found: dict[str, str] = field(default_factory=dict)
    reason: str = ""

    @property
    def made(self) -> bool:
        """Whether it has to be made."""
        return self.receipt is None or self.again


def plan_work(jobs: Sequence[Job], wanted: Collection[str], memory: Memory) -> WorkPlan:
    """Compare what lies there with what would be made now.

    An artifact that is gone is not made again as long as nothing that has to be made reads it, and
    some later artifact remembers its recipe and content. If it is made again, it is expected to
    come out as it was, so that nothing else that was made from it is stale; its job looks.

    Args:
        jobs: of the run, each behind those whose outputs it reads.
        wanted: outputs that are asked for.
        memory: remembered hashes, with a budget for others.
    """
    planner = _Planner(jobs, memory)
    making: set[int] = set()
    while True:
        states = planner.states(making)
        made = {number for number, state in states.items() if state.made}
        lacking = planner.lacking(states, made, wanted)
        if not lacking:
            break
        making |= lacking
    result = WorkPlan()
    for number, state in states.items():
        store = jobs[number].store
        if state.made:
            result.stale.update(dict.fromkeys(jobs[number].outputs.values(), state.reason))
            if state.receipt:
                result.expected.append(state.receipt)
        else:
            result.found.update(state.found)
            if store and state.recipe and state.there:
                result.used.append((store, state.recipe))
    return result


class _Planner:
    def __init__(self, jobs: Sequence[Job], memory: Memory) -> None:
        self._jobs, self._memory = jobs, memory
        self._of_objects = Memory(memory.folder, OBJECTS_HASHED)
        self._makers = {
            path: (number, name)
            for number, job in enumerate(jobs)
            for name, path in job.outputs.items()
        }
        self._on_disk = [receipt_on_disk(job) for job in jobs]
        self._remembered: dict[str, Receipt] = {}
        for receipt in self._on_disk:
            if receipt:
                self._remembered |= receipt.tree
        self._objects: dict[str, Receipt | None] = {}

    def states(self, making: set[int]) -> dict[int, _State]:
        """State of every job if the jobs `making` are made in any case."""
        states: dict[int, _State] = {}
        for number, job in enumerate(self._jobs):
            states[number] = self._state(number, job, states, number in making)
        return states

    def lacking(
        self, states: Mapping[int, _State], made: set[int], wanted: Collection[str]
    ) -> set[int]:
        """Jobs whose outputs are only remembered, but are asked for or read by what is made."""
        paths = set(wanted)
        for number in made:
            paths.update(path for paths_ in self._jobs[number].inputs.values() for path in paths_)
        needed = {self._makers[path][0] for path in paths if path in self._makers}
        return {n for n in needed if n not in made and not states[n].there}

    def _state(self, number: int, job: Job, states: Mapping[int, _State], is_made: bool) -> _State:
        if job.kept is None:
            return _State(reason="looked at whenever it is asked for")
        inputs: dict[str, list[Source]] = {}
        for name, paths in job.inputs.items():
            for path in paths:
                source, reason = self._source(name, path, states)
                if source is None:
                    return _State(reason=reason)
                inputs.setdefault(name, []).append(source)
        beside = sources_beside(job, self._memory)
        if beside is None:
            return _State(reason="what it is made from is looked at")
        recipe = recipe_of(job, {**inputs, **beside})
        state = self._compared(number, job, recipe)
        if not is_made:
            return state
        expected = None if job.stage in UNREPEATABLE else state.receipt
        return _State(recipe, expected, again=True, reason="gone, and what is made reads it")

    def _source(
        self, name: str, path: str, states: Mapping[int, _State]
    ) -> tuple[Source | None, str]:
        maker = self._makers.get(path)
        if maker is None or self._jobs[maker[0]].kept is None:
            source = source_of(path, self._memory, name in CHEAP)
            return source, f"{path} is looked at"
        number, output = maker
        receipt = states[number].receipt
        if receipt is None:
            return None, ""
        return Source(path, receipt.outputs[output].sha256, receipt.recipe.key), ""

    def _compared(self, number: int, job: Job, recipe: Recipe) -> _State:
        now = self._on_disk[number]
        if job.store is None or job.kept is None:
            if now and now.recipe.key == recipe.key and self._is_untouched(job, now):
                return _State(recipe, now, there=True)
        else:
            if receipt := self._object(job.store, recipe):
                folder = job.store.folder(job.stage, recipe.key)
                files = {p: str(folder / object_file(n, p)) for n, p in job.outputs.items()}
                moved = {p: f for p, f in files.items() if not job.kept.is_meant(p, Path(f))}
                return _State(recipe, receipt, there=True, found=moved)
            if job.store.is_forgotten(job.stage, recipe.key):
                return _State(recipe, reason="forgotten, to be made anew")
            if receipt := self._remembered.get(recipe.key):
                return _State(recipe, receipt)
        if now is None:
            reason = "not there, or not made by this pipeline"
        else:
            reason = "; ".join(recipe.differences(now.recipe)) or "damaged, gone or replaced"
        return _State(recipe, reason=reason)

    def _object(self, store: Store, recipe: Recipe) -> Receipt | None:
        if recipe.key not in self._objects:
            self._objects[recipe.key] = intact_object(store, recipe, self._of_objects)
        return self._objects[recipe.key]

    def _is_untouched(self, job: Job, receipt: Receipt) -> bool:
        """Whether files of their own are what was made, at any cost: no later job looks again."""
        return all(
            self._memory.identity(path, at_any_cost=True) == receipt.outputs[name].sha256
            for name, path in job.outputs.items()
        )
