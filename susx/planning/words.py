"""A forecast in words: rough numbers of one digit, and the few lines that a run begins with."""

from __future__ import annotations

from collections.abc import Iterator

from susx.planning.costs import StepCost
from susx.planning.forecast import DAY, Forecast, rough_number

SHORT = 600
"""Seconds that are not worth a table: one waits for them."""
TABLE_ROWS, WARNINGS = 5, 4
"""Steps and warnings that a run begins with, within a dozen lines in all."""
SHARE = 0.1
"""Share of the time that makes a step worth a line."""
UNITS = ((2 * DAY, DAY, "days"), (7200, 3600, "h"), (60, 60, "min"))
"""Seconds from which a unit is used, and its own."""
SIZES = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"))


def rough_time(low: float, high: float, is_measured: bool = False) -> str:
    """Seconds as a range in the unit that fits; one number if they were measured."""
    for least, unit, name in UNITS:
        if high >= least:
            first, last = rough_number(low / unit), rough_number(high / unit)
            if is_measured:
                return f"about {rough_number((low * high) ** 0.5 / unit)} {name}"
            return f"{first} to {last} {name}" if low >= unit else f"up to {last} {name}"
    return "< 1 min"


def step_time(cost: StepCost) -> str:
    """How long a step takes, in words."""
    if not cost.jobs:
        return "done"
    if cost.unknown == cost.jobs:
        return "not known"
    known = rough_time(*cost.range, cost.basis == "measured here")
    return f"{known}, and more" if cost.unknown else known


def rough_size(size: float | None) -> str:
    """Bytes in the unit that fits."""
    if size is None:
        return "size not known"
    unit, name = next(((unit, name) for unit, name in SIZES if size >= unit), (1e6, "MB"))
    return f"{rough_number(size / unit)} {name}" if size >= 1e6 else "< 1 MB"


def machine_words(made: Forecast) -> str:
    """What the times are for."""
    if made.machine is None:
        return "this machine"
    gpu = made.machine.gpu or "no GPU"
    return f"this machine ({made.machine.cores} cores, {gpu})"


def headline(made: Forecast) -> str:
    """The whole forecast in a line."""
    current = sum(step.current for step in made.steps)
    if not made.jobs:
        return f"nothing to do: {_jobs(current)} current"
    unknown = sum(step.unknown for step in made.steps)
    more = f", and {_jobs(unknown)} whose time is not known" if unknown else ""
    kept = rough_size(sum(step.size for step in made.steps))
    return (
        f"{_jobs(made.jobs)} to do, {current} current; {rough_time(*made.range)} on "
        f"{machine_words(made)}{more}; keeps {kept}{_fetched(made)}"
    )


def _jobs(count: int) -> str:
    return f"{count:,} job{'' if count == 1 else 's'}"


def _fetched(made: Forecast) -> str:
    coming = [one for one in made.downloads if not one.here]
    known = sum(one.size or 0 for one in coming) + sum(step.fetched for step in made.steps)
    unknown = sum(one.size is None for one in coming)
    if not (known or coming):
        return ""
    more = f"{'and ' if known else ''}{unknown} of a size not known" if unknown else ""
    return f", fetches {rough_size(known) if known else ''}{' ' if known and more else ''}{more}"


def first_screen(made: Forecast) -> Iterator[str]:
    """What is said before the first job: a line, and a dozen at most if the run takes its time."""
    if not made.jobs:
        return
    yield f"plan: {headline(made)}"
    total = made.range[1]
    if total >= SHORT:
        slow = [step for step in made.steps if step.jobs and step.range[1] >= SHARE * total]
        for step in sorted(slow, key=lambda step: -step.seconds)[:TABLE_ROWS]:
            yield f"  {step.step}: {step_time(step)} ({step.basis}), {amounts(step)}"
    for warning in made.warnings[:WARNINGS]:
        yield f"warning: {warning}"
    if total >= SHORT or made.warnings:
        yield "`susx plan` with the same words shows all of it"


def amounts(cost: StepCost) -> str:
    """What a step has to do."""
    return ", ".join(f"{count:,} {unit}" for unit, count in cost.things.items())
