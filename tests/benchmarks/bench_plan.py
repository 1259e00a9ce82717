"""Time and memory of planning many jobs: `python -m tests.benchmarks.bench_plan`.

Two dry runs in fresh folders: 19 datasets with 5 encoders and 6 support sets each (few-shot ones
with 3 seeds), and one support set from a pool of `--shards` shards. `--pool` gives the first plan a
pool of so many shards, too. Nothing is read but configuration, cards and folders.
"""

import argparse
import re
import tempfile
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from tests.benchmarks.processes import cost
from tests.benchmarks.tables import figures_table
from tests.workflow.large_plans import write_paper, write_pool
from tests.workflow.project import Project


def plan(project: Project) -> tuple[float, float, int]:
    """Seconds, peak MiB and number of jobs of a dry run.

    Raises:
        RuntimeError: if it fails, with its output.
    """
    took = cost(project.command("--dry-run", "--quiet", "rules"), project.root)
    counted = re.search(r"^total\s+(\d+)", took.output, re.MULTILINE)
    if not counted:
        raise RuntimeError(took.output)
    return took.seconds, took.peak, int(counted[1])


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shards", type=int, default=2000)
    parser.add_argument("--pool", type=int, default=4)
    arguments = parser.parse_args()
    cases: dict[str, Callable[[Path], Project]] = {
        f"19 datasets, 5 encoders, 6 support sets, {arguments.pool} shards": lambda root: (
            write_paper(root, arguments.pool)
        ),
        f"1 dataset, {arguments.shards} shards": lambda root: write_pool(root, arguments.shards),
    }
    table = figures_table("Dry runs", "plan", "jobs", "seconds", "peak MiB")
    for name, write in cases.items():
        with tempfile.TemporaryDirectory(prefix="susx-plan-") as folder:
            seconds, peak, jobs = plan(write(Path(folder) / "project"))
        table.add_row(name, f"{jobs:,}", f"{seconds:.1f}", f"{peak:.0f}")
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
