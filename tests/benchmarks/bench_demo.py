"""Time and memory of the demo in a fresh folder: `python -m tests.benchmarks.bench_demo`.

With `--than CHECKOUT`, those of the demo of this checkout and of another one, without installation.
"""

import argparse
import csv
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.benchmarks.processes import Cost, cost
from tests.benchmarks.tables import figures_table
from tests.e2e.demo_project import REPO, REPORT, copy_demo, demo_command

COLUMNS = ("s", "cpu_time", "max_rss")
"""Columns of Snakemake's benchmark files."""


def rule_costs(root: Path) -> dict[str, list[dict[str, str]]]:
    """Rows of Snakemake's benchmark files by rule, in the order in which rules first ended."""
    costs: dict[str, list[dict[str, str]]] = defaultdict(list)
    folder = root / "benchmarks"
    for path in sorted(folder.rglob("*.tsv"), key=lambda path: path.stat().st_mtime):
        with path.open(encoding="utf-8") as stream:
            costs[path.relative_to(folder).parts[0]] += csv.DictReader(stream, delimiter="\t")
    return costs


def rule_table(root: Path, are_cold: bool = True) -> Table:
    """Jobs, seconds and peak memory of every rule.

    Args:
        root: folder of the run.
        are_cold: whether every job was a process of its own. Of a job that another process does,
            Snakemake does not see processor time and memory, and they are left out.
    """
    seen = ("CPU seconds", "peak MiB") if are_cold else ()
    table = figures_table("Jobs, by rule", "rule", "jobs", "seconds", "longest", *seen)
    for rule, rows in rule_costs(root).items():
        seconds, cpu, memory = ([number(row[key]) for row in rows] for key in COLUMNS)
        cells = [str(len(rows)), f"{sum(seconds):.1f}", f"{max(seconds):.1f}"]
        table.add_row(
            rule, *cells, *([f"{sum(cpu):.1f}", f"{max(memory):.0f}"] if are_cold else [])
        )
    return table


def number(text: str) -> float:
    """Value of a benchmark cell; jobs too short to be sampled have none."""
    try:
        return float(text)
    except ValueError:
        return 0.0


def demo_cost(checkout: Path, cores: int) -> Cost:
    """What the demo of a checkout costs as its Makefile calls it, with the packages that run this.

    Args:
        checkout: is cloned, so that only what is committed counts.
        cores: of the call.
    """
    with tempfile.TemporaryDirectory(prefix="susx-demo-") as folder:
        subprocess.run(["git", "clone", "--quiet", checkout, folder], check=True)
        told = ["make", "--dry-run", "demo", f"CORES={cores}"]
        lines = subprocess.run(told, cwd=folder, stdout=subprocess.PIPE, text=True, check=True)
        packages = Path(sys.executable).parent
        command = lines.stdout.splitlines()[-1].replace(".venv/bin", str(packages)).split()
        return cost(command, Path(folder), {**os.environ, "PYTHONPATH": folder})


def compare(earlier: Path, runs: int, cores: int) -> Table:
    """The demo of this checkout and of another one, in turns."""
    title = f"The demo, {cores} cores, least of {runs}"
    table = figures_table(title, "checkout", "seconds", "CPU seconds", "peak MiB")
    found: dict[str, list[Cost]] = {"this": [], "earlier": []}
    for _ in range(runs):
        for name, checkout in (("earlier", earlier), ("this", REPO)):
            found[name].append(demo_cost(checkout, cores))
    keys = ("seconds", "processor", "peak")
    least = {name: [min(getattr(c, key) for c in of) for key in keys] for name, of in found.items()}
    for name, figures in least.items():
        table.add_row(name, *(f"{figure:.0f}" for figure in figures))
    ratios = [this / other for this, other in zip(*least.values(), strict=True)]
    table.add_row("ratio", *(f"{ratio:.2f}" for ratio in ratios))
    return table


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--than", type=Path, help="compare with the demo of another checkout")
    parser.add_argument("--runs", type=int, default=2, help="of each, with --than")
    options = parser.parse_args()
    console = Console()
    if options.than:
        console.print(compare(options.than.resolve(), options.runs, options.cores))
        return
    with tempfile.TemporaryDirectory(prefix="susx-demo-") as folder:
        root = Path(folder)
        copy_demo(root)
        title = f"Calls, {options.cores} cores"
        calls = figures_table(title, "call", "seconds", "CPU seconds", "peak MiB")
        for call, arguments in (
            ("dry run", ["--dry-run"]),
            ("demo", []),
            ("demo again", []),
        ):
            took = cost(demo_command(root, REPORT, *arguments, cores=options.cores), root)
            figures = (f"{took.seconds:.1f}", f"{took.processor:.1f}", f"{took.peak:.0f}")
            calls.add_row(call, *figures)
        console.print(calls)
        console.print(rule_table(root))


if __name__ == "__main__":
    main()
