"""What earlier jobs took on this machine, by the receipts of what they made."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from susx.artifacts.recipe import Receipt
from susx.artifacts.store import RECEIPT
from susx.core.errors import InputError
from susx.planning.amounts import parquet_rows
from susx.planning.run import PlannedJob

LOOKED_AT = 8
"""Newest jobs of a stage that are looked at: enough for a rate, and soon read."""
TRUSTED = 20.0
"""Seconds from which a job tells its rate: twice what its start may take."""
UNLIKE = frozenset({"shard", "name", "names", "classes", "dataset", "chunk", "asked", "views"})
"""Settings of a stage that say what a job is about, not how long a thing takes it."""
DRAWN_ALIKE = ("model", "steps", "guidance", "image_size", "precision")


@dataclass(frozen=True)
class Rate:
    """Seconds of earlier jobs: per thing, if those can be counted, and per job."""

    per_thing: float | None
    per_job: float


@dataclass(frozen=True)
class _Done:
    settings: Mapping[str, Any]
    seconds: float
    n: int | None


class EarlierJobs:
    """Jobs that this machine did, as far as they lie in stores; each stage is looked at once."""

    def __init__(self) -> None:
        self._done: dict[tuple[Path, str], list[_Done]] = {}

    def rate(self, job: PlannedJob) -> Rate | None:
        """Rate of jobs that did the same to other things; None without any."""
        if job.job.store is None:
            return None
        key = job.job.store.root, job.rule
        if key not in self._done:
            self._done[key] = list(_newest(*key))
        wanted = _alike(job.rule, job.job.settings)
        like = [done for done in self._done[key] if _alike(job.rule, done.settings) == wanted]
        if not like:
            return None
        counted = [(done.n, done.seconds) for done in like if done.n and done.seconds >= TRUSTED]
        n, seconds = max(counted, default=(0, 0.0))
        per_job = sum(done.seconds for done in like) / len(like)
        return Rate(seconds / n if n else None, per_job)


def _alike(stage: str, settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """The part of a job's settings that its speed depends on."""
    if stage.startswith("embed_"):
        return {"encoder": settings["encoder"]}
    if stage == "synthesise":
        return {key: settings["settings"].get(key) for key in DRAWN_ALIKE}
    if stage == "describe_classes":
        return {"model": settings["model"], "max_tokens": settings["asked"]["max_tokens"]}
    return {key: value for key, value in settings.items() if key not in UNLIKE}


def _newest(store: Path, stage: str) -> Iterator[_Done]:
    """The newest jobs of a stage that this machine did."""
    for folder in sorted((store / stage).glob("*"), key=_changed, reverse=True)[:LOOKED_AT]:
        try:
            receipt = Receipt.read(folder / RECEIPT)
        except InputError:
            continue
        took, host = receipt.made.get("took"), receipt.made.get("host")
        if host == socket.gethostname() and isinstance(took, dict):
            settings = receipt.recipe.settings
            n = _things(stage, settings, folder, receipt)
            yield _Done(settings, float(took["seconds"]), n)


def _changed(folder: Path) -> float:
    try:
        return folder.stat().st_mtime
    except OSError:
        return 0.0


def _things(stage: str, settings: Mapping[str, Any], folder: Path, receipt: Receipt) -> int | None:
    """How many things a job did, by what it made."""
    if stage == "describe_classes":
        asked = settings["asked"]
        return int(len(settings["classes"]) * len(asked["questions"]) * asked["samples"])
    count = next(_rows(folder, receipt), None)
    views: int = (settings.get("views") or {}).get("views") or 1
    return None if count is None else count * views


def _rows(folder: Path, receipt: Receipt) -> Iterator[int]:
    readers: dict[str, Callable[[Path], int | None]] = {
        ".h5": _cache_rows,
        ".parquet": parquet_rows,
    }
    for output in receipt.outputs.values():
        reader = readers.get(Path(output.file).suffix)
        if reader and (rows := reader(folder / output.file)) is not None:
            yield rows


def _cache_rows(path: Path) -> int | None:
    """Rows of an embedding cache, which is not verified for that."""
    import h5py

    try:
        with h5py.File(path, "r", locking=False) as file:
            return len(file["labels"])
    except Exception:  # h5py raises many kinds; nothing hangs on it but an estimate
        return None
