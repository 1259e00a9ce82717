"""What the jobs took that a result stands on, by the receipts of what they made."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from susx.artifacts.recipe import Receipt
from susx.artifacts.store import Store
from susx.evaluation.schema import Result


@dataclass(frozen=True)
class StageCost:
    """Jobs of one stage.

    Attributes:
        stage: the stage.
        n_jobs: jobs that the result stands on.
        n_known: those of them whose receipts still lie in a store; what follows is theirs.
        seconds: wall time of all jobs together.
        longest: wall time of the longest.
        cpu_seconds: processor time of all jobs together.
        peak_mib: largest resident memory of any job.
    """

    stage: str
    n_jobs: int
    n_known: int
    seconds: float
    longest: float
    cpu_seconds: float
    peak_mib: float


@dataclass(frozen=True)
class MethodCost:
    """Tuning and testing of one method with one encoder; memory is that of the job so far."""

    method: str
    encoder: str
    n: int
    seconds: float
    peak_mib: float


def method_costs(result: Result) -> list[MethodCost]:
    """Sum up the runs of every method."""
    runs = defaultdict(list)
    for run in result.runs:
        runs[run.method, run.encoder].append(run)
    return [
        MethodCost(*names, len(of), sum(r.seconds for r in of), max(r.peak_mib for r in of))
        for names, of in runs.items()
    ]


def stage_costs(result: Result, stores: Collection[str]) -> list[StageCost]:
    """Sum up what every stage behind a result took, the slowest first.

    What a job found finished counts with what it took to make it, whoever did; tries that failed
    do not count.

    Args:
        result: whose `provenance.identity` names all artifacts that it stands on; none counts where
            it names none.
        stores: folders of the project's stores.
    """
    if "identity" not in result.provenance:
        return []
    receipt = Receipt.of_identity(result.provenance["identity"])
    jobs: dict[str, list[Mapping[str, float] | None]] = defaultdict(list)
    for key, one in receipt.tree.items():
        jobs[one.recipe.stage].append(_cost(one.recipe.stage, key, stores))
    costs = [_of_stage(stage, of) for stage, of in jobs.items()]
    return sorted(costs, key=lambda cost: -cost.seconds)


def _cost(stage: str, key: str, stores: Collection[str]) -> Mapping[str, float] | None:
    for store in stores:
        if there := Store(store).find(stage, key):
            made: Any = there.made.get("took")
            return made if isinstance(made, dict) else None
    return None


def _of_stage(stage: str, jobs: Collection[Mapping[str, float] | None]) -> StageCost:
    known = [job for job in jobs if job is not None]

    def column(name: str) -> list[float]:
        return [job[name] for job in known] or [0.0]

    seconds = column("seconds")
    return StageCost(
        stage,
        len(jobs),
        len(known),
        sum(seconds),
        max(seconds),
        sum(column("cpu_seconds")),
        max(column("peak_mib")),
    )
