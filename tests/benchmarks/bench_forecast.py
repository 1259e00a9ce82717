"""How well `susx plan` foresees the demo: `python -m tests.benchmarks.bench_forecast`.

The demo's data are made first, so that its images can be counted. Then a plan is made, the rest
runs, and the seconds of every step are compared with the processor time in Snakemake's benchmark
files. All of it keeps to one core, where jobs run one after the other, as a plan supposes, and
where processor time is what an idle machine would take.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from susx.planning.costs import step_of
from tests.benchmarks.bench_demo import number, rule_costs
from tests.benchmarks.tables import figures_table
from tests.e2e.demo_project import REPORT, RESULT, copy_demo, demo_command

DATA = [
    "demo/data/test",
    "demo/data/validation",
    *(f"demo/data/pool/0000{i}.tar" for i in range(4)),
]
PLAN = [sys.executable, "-c", "from susx.cli import app; app()", "plan"]


def called(command: list[str], root: Path) -> str:
    """Standard output of a call.

    Raises:
        RuntimeError: if it fails, with its output.
    """
    done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stdout + done.stderr)
    return done.stdout


def measured_steps(root: Path) -> dict[str, float]:
    """Processor seconds of all jobs by step."""
    seconds: dict[str, float] = defaultdict(float)
    for rule, rows in rule_costs(root).items():
        seconds[step_of(rule)] += sum(number(row["cpu_time"]) for row in rows)
    return seconds


def comparison(plan: dict[str, Any], seconds: dict[str, float]) -> Table:
    """Foreseen and measured seconds of every step, and their ratio."""
    figures = ("jobs", "not known", "foreseen", "measured", "foreseen / measured")
    table = figures_table("Seconds of the demo, on one core", "step", *figures)
    for step in (step for step in plan["steps"] if step["jobs"]):
        foreseen, took = step["seconds"], seconds.get(step["step"], 0.0)
        ratio = f"{foreseen / took:.2f}" if took else "–"
        counts = (str(step["jobs"]), str(step["unknown"]))
        table.add_row(step["step"], *counts, f"{foreseen:.0f}", f"{took:.0f}", ratio)
    return table


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory(prefix="susx-forecast-") as folder:
        root = Path(folder)
        copy_demo(root)
        call = demo_command(root, REPORT, cores=1)
        called([word for word in demo_command(root, *DATA, cores=1) if word != RESULT], root)
        plan = json.loads(called([*PLAN, *call[3:], "--json"], root))
        called(call, root)
        Console(width=100).print(comparison(plan, measured_steps(root)))


if __name__ == "__main__":
    main()
