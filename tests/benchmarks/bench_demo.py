"""Time and memory of the demo in a fresh folder: `python -m tests.benchmarks.bench_demo`."""

import argparse
import csv
import subprocess
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from tests.e2e.demo_project import REPORT, copy_demo, demo_command

INTERVAL = 0.1
"""Seconds between two looks at the memory of all processes."""

COLUMNS = ("s", "cpu_time", "max_rss")
"""Columns of Snakemake's benchmark files."""


def resident_mib(process: psutil.Process) -> float:
    """Memory of a process and its descendants; pages that they share count for each."""
    total = 0
    try:
        family = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0.0
    for member in family:
        try:
            total += member.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total / 2**20


def measure(root: Path, cores: int, *arguments: str) -> tuple[float, float]:
    """Seconds and peak MiB of one call of Snakemake.

    Raises:
        RuntimeError: if it fails, with its output.
    """
    with tempfile.TemporaryFile("w+") as output:
        started = time.perf_counter()
        command = demo_command(root, REPORT, *arguments, cores=cores)
        process = psutil.Popen(command, cwd=root, stdout=output, stderr=subprocess.STDOUT)
        peak = 0.0
        while process.poll() is None:
            peak = max(peak, resident_mib(process))
            time.sleep(INTERVAL)
        seconds = time.perf_counter() - started
        if process.returncode:
            output.seek(0)
            raise RuntimeError(output.read())
    return seconds, peak


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
    table = Table(title="Jobs, by rule")
    seen = ("CPU seconds", "peak MiB") if are_cold else ()
    for name in ("rule", "jobs", "seconds", "longest", *seen):
        table.add_column(name, justify="left" if name == "rule" else "right", no_wrap=True)
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


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cores", type=int, default=2)
    cores = parser.parse_args().cores
    with tempfile.TemporaryDirectory(prefix="susx-demo-") as folder:
        root = Path(folder)
        copy_demo(root)
        calls = Table(title=f"Calls, {cores} cores")
        for name in ("call", "seconds", "peak MiB"):
            calls.add_column(name, justify="left" if name == "call" else "right", no_wrap=True)
        for call, arguments in (
            ("dry run", ["--dry-run"]),
            ("demo", []),
            ("demo again", []),
        ):
            seconds, peak = measure(root, cores, *arguments)
            calls.add_row(call, f"{seconds:.1f}", f"{peak:.0f}")
        console = Console()
        console.print(calls)
        console.print(rule_table(root))


if __name__ == "__main__":
    main()
