"""What the jobs of a run cost on this machine, step by step: the model of docs/cluster.md."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from typing import Literal

from susx.planning.loads import Load, ModelKind, load_of
from susx.planning.machine import Machine, usable_cores
from susx.planning.rates import EarlierJobs, Rate
from susx.planning.run import PlannedJob
from susx.planning.setup import Setup

Basis = Literal["measured here", "assumed"]

STEPS = {
    "demo data": ("demo_images", "demo_pool"),
    "class names": ("class_manifest", "import_classes"),
    "images": ("download_dataset", "image_manifest", "list_unlabelled", "check_dataset"),
    "descriptions": ("describe_classes", "join_descriptions"),
    "prompts": ("prompts",),
    "embedding: pools": ("embed_shard",),
    "support: search": (
        *("search_shard", "search_embeddings", "search_index", "match_captions"),
        *("query_service", "select_support"),
    ),
    "support: download": ("download_support",),
    "support: synthesis": ("synthesise", "join_chunks"),
    "support: few shots": ("draw_support",),
    "embedding": (
        *("embed_text", "embed_images", "embed_patches", "embed_support"),
        *("import_images", "import_text", "import_support"),
    ),
    "evaluation": ("evaluate", "collate"),
    "classifier": ("export_classifier", "predict"),
    "report": ("analyse", "report", "summary"),
}
"""Rules of every step, in the order in which they run."""
OTHER = "other"
"""Step of rules that are not known, as those of a workflow that includes this one."""

REACHED: dict[str, dict[ModelKind, float]] = {
    "cpu": {"encoder": 0.8, "drawer": 0.5, "writer": 0.3},
    "gpu": {"encoder": 0.3, "drawer": 0.3, "writer": 0.02},
}
"""Share of the speed of large products of matrices that a model reaches: on a CPU as ViT-B/16 in
docs/encoders.md, and less for smaller products; on a GPU assumed, with 16 replies at a time, of
which every token reads all weights."""
TRIFLE, SLOW = 1e12, 1e10
"""Operations of a job that are not worth timing a machine for, and those that a core does in a
second for a model so small: the demo's text-to-image model reached 8 G."""
SPREAD = 2.0
"""Factor up and down that an assumed time may be wrong by. The two longest steps of the demo came
within it, a shorter one was off by 3 (`python -m tests.benchmarks.bench_forecast`)."""
SURE = 1.2
"""The same of a rate that was measured: jobs that run side by side share cores and disks."""


@dataclass(frozen=True)
class Cost:
    """Seconds of a job, alone on this machine; None where they are not known before it."""

    seconds: float | None
    basis: Basis


@dataclass(frozen=True)
class StepCost:
    """What a step of a run costs.

    Attributes:
        step: the step, in words.
        jobs: those that run.
        current: those whose outputs are there already.
        things: what they do, by its unit, as far as that is known.
        size: bytes that they keep.
        fetched: bytes that they get from the web, models and data sets besides.
        seconds: of all its jobs, one after the other on all cores.
        unknown: jobs whose time is not known, which `seconds` leaves out.
        basis: where `seconds` come from.
    """

    step: str
    jobs: int
    current: int
    things: dict[str, int]
    size: float
    fetched: float
    seconds: float
    unknown: int
    basis: Basis

    @property
    def range(self) -> tuple[float, float]:
        """Least and most seconds that its known jobs may take."""
        factor = SURE if self.basis == "measured here" else SPREAD
        return self.seconds / factor, self.seconds * factor


def step_of(rule: str) -> str:
    """Step that a rule belongs to."""
    return next((step for step, rules in STEPS.items() if rule in rules), OTHER)


def step_costs(
    setup: Setup,
    jobs: Sequence[PlannedJob],
    stale: Set[str],
    machine: Callable[[], Machine],
) -> list[StepCost]:
    """Costs of all steps that a run has jobs of, in order.

    Args:
        setup: of the run.
        jobs: all that could be needed.
        stale: outputs that have to be made.
        machine: asked only if a model has to compute that no earlier job tells the time of.
    """
    grouped: dict[str, list[PlannedJob]] = defaultdict(list)
    for job in jobs:
        grouped[step_of(job.rule)].append(job)
    earlier = EarlierJobs()
    found = []
    for step in filter(grouped.__contains__, (*STEPS, OTHER)):
        due = [job for job in grouped[step] if not stale.isdisjoint(job.outputs)]
        loads = [(job, load_of(setup, job)) for job in due]
        costs = [job_cost(load, earlier.rate(job), machine) for job, load in loads]
        found.append(_summed(step, len(grouped[step]), [load for _, load in loads], costs))
    return found


def _summed(step: str, jobs: int, loads: Sequence[Load], costs: Sequence[Cost]) -> StepCost:
    things: dict[str, int] = defaultdict(int)
    for load in loads:
        if load.n and load.unit:
            things[load.unit] += load.n
    known = [cost for cost in costs if cost.seconds is not None]
    measured = sum(cost.seconds or 0 for cost in known if cost.basis == "measured here")
    seconds = sum(cost.seconds or 0 for cost in known)
    return StepCost(
        step,
        len(costs),
        jobs - len(costs),
        dict(things),
        sum((load.n or 0) * load.size for load in loads),
        sum((load.n or 0) * load.fetched for load in loads),
        seconds,
        len(costs) - len(known),
        "measured here" if measured > seconds / 2 else "assumed",
    )


def job_cost(load: Load, rate: Rate | None, machine: Callable[[], Machine]) -> Cost:
    """Time of a job.

    Args:
        load: what it has to do.
        rate: of earlier jobs that did the same, which counts more than any assumption.
        machine: what computes, if that has to be known.
    """
    if rate and load.n is None:
        return Cost(rate.per_job, "measured here")
    if rate and rate.per_thing is not None and load.n is not None:
        return Cost(load.n * rate.per_thing, "measured here")
    if load.n is None or load.flops is None:
        return Cost(None, "assumed")
    others, flops = load.n * load.cpu / usable_cores(), load.n * load.flops
    return Cost(load.start + _computed(load, flops, others, machine), "assumed")


def _computed(load: Load, flops: float, others: float, machine: Callable[[], Machine]) -> float:
    """Seconds of a model, and of what is done besides: on a GPU at the same time, else after it."""
    waits = (load.n or 0) * load.waits
    if load.model is None:
        return others + waits
    if flops < TRIFLE:
        return flops / SLOW + others + waits
    here = machine()
    if load.gpu and here.gpu is not None:
        seconds = flops / here.gpu_rates[load.width] / REACHED["gpu"][load.model]
        return max(seconds, others) + waits
    return flops / here.cpu / REACHED["cpu"][load.model] + others + waits
