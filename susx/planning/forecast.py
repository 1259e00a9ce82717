"""What a run will do, take and fetch, and what it lacks, before its first job."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

from susx.config.cards import Card, load_card
from susx.core.errors import listing
from susx.planning.costs import StepCost, step_costs, step_of
from susx.planning.downloads import Download, needed_downloads
from susx.planning.hub import HubAnswers
from susx.planning.machine import Machine, timed_machine
from susx.planning.readiness import lacking_packages, misplaced_models
from susx.planning.run import PlannedJob
from susx.planning.setup import Setup
from susx.planning.supports import wanted_supports

FORMAT = "susx-plan-1"
DAY = 24 * 3600
"""Seconds from which a step is warned of: it does not end overnight."""


@dataclass(frozen=True)
class Forecast:
    """What a run will do.

    Attributes:
        targets: files that were asked for.
        steps: their costs, in order.
        downloads: what comes from elsewhere.
        missing: what the run lacks, and how one gets it, one line each.
        warnings: what takes days, and what to do about it, one line each.
        machine: what was timed; None where no time hangs on it.
    """

    targets: Sequence[str]
    steps: Sequence[StepCost]
    downloads: Sequence[Download] = ()
    missing: Sequence[str] = ()
    warnings: Sequence[str] = ()
    machine: Machine | None = None

    @property
    def range(self) -> tuple[float, float]:
        """Least and most seconds of all jobs whose time is known, one after the other."""
        ranges = [step.range for step in self.steps]
        return sum(low for low, _ in ranges), sum(high for _, high in ranges)

    @property
    def jobs(self) -> int:
        """Jobs that run."""
        return sum(step.jobs for step in self.steps)

    def plain(self) -> dict[str, Any]:
        """The same as plain values, for JSON."""
        steps = [asdict(step) | {"seconds_range": [*step.range]} for step in self.steps]
        named = ("targets", "missing", "warnings")
        return {
            "format": FORMAT,
            **{name: [*getattr(self, name)] for name in named},
            "steps": steps,
            "downloads": [asdict(one) for one in self.downloads],
            "machine": asdict(self.machine) if self.machine else None,
        }


def forecast(
    setup: Setup,
    jobs: Sequence[PlannedJob],
    stale: Set[str],
    hub: HubAnswers,
    targets: Sequence[str] = (),
    has_own_packages: bool = False,
) -> Forecast:
    """Look ahead at a run.

    Args:
        setup: of the run; what its `gaps` hold is missing.
        jobs: all that could be needed.
        stale: outputs that have to be made.
        hub: is asked for what is not here.
        targets: files that were asked for.
        has_own_packages: whether jobs run with packages that are deployed for them.
    """
    due = [job for job in jobs if not stale.isdisjoint(job.outputs)]
    machine = cache(timed_machine)
    steps = step_costs(setup, jobs, stale, machine)
    downloads = needed_downloads(setup, due, hub)
    missing = [*_missing_images(setup), *(setup.gaps.others if setup.gaps else ())]
    missing += misplaced_models(setup, due)
    missing += (f"{one.keys[0]}: {one.name}: {one.note}" for one in downloads if one.lacking)
    if not has_own_packages:
        missing += lacking_packages(setup, due)
    here = machine() if machine.cache_info().currsize else None
    warnings = [*_warnings(setup, due, steps, here)]
    return Forecast([*targets], steps, downloads, [*dict.fromkeys(missing)], warnings, here)


def _missing_images(setup: Setup) -> Iterator[str]:
    """Data sets that were not found, and where their cards say one gets them."""
    for dataset, problem in (setup.gaps.images if setup.gaps else {}).items():
        card = setup.datasets[dataset].card
        yield f"{problem}{_origin(load_card(card)) if card else ''}"


def _origin(card: Card) -> str:
    facts = (("published at", card.homepage), ("licence:", card.licence))
    told = [f"{words} {fact}" for words, fact in facts if fact]
    return f"; {card.title} is {', '.join(told)}" if card.homepage else ""


def _warnings(
    setup: Setup, due: Sequence[PlannedJob], steps: Sequence[StepCost], machine: Machine | None
) -> Iterator[str]:
    """Steps that take days, with what the configuration can do about them."""
    where = "here" if machine is None or machine.gpu else "here, without a GPU"
    for cost in steps:
        low, high = cost.range
        if high >= DAY:
            jobs = [job for job in due if step_of(job.rule) == cost.step]
            took = f"{rough_number(max(low / DAY, 0.5))} to {rough_number(high / DAY)} days"
            yield f"{cost.step} may take {took} {where}{_remedy(setup, cost.step, jobs)}"


def _remedy(setup: Setup, step: str, jobs: Sequence[PlannedJob]) -> str:
    """What the configuration can leave out, in words."""
    if step.startswith("support"):
        named = sorted({job.names["support"] for job in jobs if "support" in job.names})
        slow = {setup.seeds[name][0] if name in setup.seeds else name for name in named}
        dataset = jobs[0].names["dataset"]
        rest = ", ".join(n for n in wanted_supports(setup, dataset) if n not in slow)
        own = setup.entries[dataset].supports is not None
        key = f"datasets: {{{dataset}: {{supports: [{rest}]}}}}" if own else ""
        key = key or f"evaluation: {{supports: [{rest}]}}"
        return f"; leave out {listing(sorted(slow))} by `{key}`, or run on a machine with a GPU"
    if step == "descriptions":
        return (
            "; let a server or a smaller model write them (`language_models`), ask for fewer "
            "`samples`, or give files"
        )
    if step == "embedding: pools":
        return "; take a pool whose embeddings are published (`layout: embeddings`)"
    if step == "embedding":
        named = sorted({job.names["encoder"] for job in jobs if "encoder" in job.names})
        return f"; of {listing(named)}, choose the smaller by `evaluation: {{encoders: [...]}}`"
    return ""


def rough_number(value: float) -> str:
    """A number with one digit that counts."""
    digits = float(f"{value:.0e}")
    return f"{digits:,.0f}" if digits >= 1 else f"{digits:g}"
