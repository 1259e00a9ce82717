"""What the jobs of a dataset took, by Snakemake's benchmark files."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from susx.schema import Result

NOT_OF_THE_RESULT = {"check_dataset", "demo_images", "demo_pool", "report", "summary"}
POOL_RULE = "embed_shard"
AFTER_ENCODER = ("embed_", "import_images", "import_support", "import_text")
"""Rules whose files lie in folders of encoders; those of all others begin with the dataset."""


@dataclass(frozen=True)
class StageCost:
    """Jobs of one rule.

    Attributes:
        rule: the rule.
        n_jobs: jobs with a benchmark file.
        seconds: wall time of all jobs together.
        longest: wall time of the longest.
        cpu_seconds: processor time of all jobs together.
        peak_mib: largest resident memory of any job.
    """

    rule: str
    n_jobs: int
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


def stage_costs(folder: str | Path, dataset: str, pools: Collection[str]) -> list[StageCost]:
    """Sum up the benchmark files of a dataset and its pools, the slowest rule first.

    A rule without a benchmark file, or whose files cannot be read, is left out.

    Args:
        folder: where Snakemake writes benchmarks.
        dataset: name of the dataset.
        pools: pools of its support sets.
    """
    found: dict[str, list[Mapping[str, str]]] = defaultdict(list)
    root = Path(folder)
    for path in sorted(root.rglob("*.tsv")):
        rule, *names = path.relative_to(root).with_suffix("").parts
        owners = pools if rule == POOL_RULE else (dataset,)
        place = 1 if rule.startswith(AFTER_ENCODER) else 0
        if rule not in NOT_OF_THE_RESULT and names[place : place + 1] in [
            [name] for name in owners
        ]:
            found[rule] += _measurements(path)
    costs = [_cost(rule, rows) for rule, rows in found.items() if rows]
    return sorted(costs, key=lambda cost: -cost.seconds)


def _measurements(path: Path) -> Iterator[Mapping[str, str]]:
    with suppress(OSError, ValueError, csv.Error), path.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file, delimiter="\t")


def _cost(rule: str, rows: list[Mapping[str, str]]) -> StageCost:
    def column(name: str) -> list[float]:
        return [_number(row.get(name)) for row in rows]

    seconds = column("s")
    return StageCost(
        rule,
        len(rows),
        sum(seconds),
        max(seconds),
        sum(column("cpu_time")),
        max(column("max_rss")),
    )


def _number(text: str | None) -> float:
    """Zero where a job ended before it could be measured."""
    try:
        return float(text or 0)
    except ValueError:
        return 0.0
