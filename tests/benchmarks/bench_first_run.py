"""From `git clone` to the demo's result, as a newcomer has it, and what of that is computing.

    python -m tests.benchmarks.bench_first_run [--cores 2]

Clones this checkout's last commit to a fresh folder, installs what the demo needs, and runs it.
Prints seconds of each step, and the share of the time in which no job of the demo ran. What pip
downloaded before it takes from its cache; Python keeps what it compiles.
"""

import argparse
import csv
import os
import subprocess
import tempfile
import time
from pathlib import Path

from tests.workflow.project import REPO


def seconds(folder: Path, *command: str) -> float:
    """Time of a command.

    Raises:
        CalledProcessError: if it fails.
    """
    kept = {
        k: v for k, v in os.environ.items() if k not in ("PYTHONDONTWRITEBYTECODE", "PYTHONPATH")
    }
    started = time.perf_counter()
    subprocess.run(command, cwd=folder, env=kept, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - started


def job_seconds(folder: Path) -> float:
    """Seconds of all jobs, added up, by Snakemake's benchmark files."""
    found = 0.0
    for path in (folder / "benchmarks").rglob("*.tsv"):
        with path.open(encoding="utf-8", newline="") as file:
            found += sum(float(line["s"]) for line in csv.DictReader(file, delimiter="\t"))
    return found


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cores", type=int, default=2)
    cores = parser.parse_args().cores
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root) / "susx"
        steps = {
            "git clone": seconds(Path(root), "git", "clone", "--quiet", str(REPO), str(folder)),
            "installation": seconds(folder, "make", ".venv/.demo"),
            "make demo": seconds(folder, "make", "demo", f"CORES={cores}"),
        }
        jobs = job_seconds(folder)
    for name, taken in steps.items():
        print(f"{name:14} {taken:6.1f} s")
    whole = sum(steps.values())
    print(f"{'all':14} {whole:6.1f} s, {jobs:.0f} s of jobs on {cores} cores")
    print(f"not computing: {100 * (whole - min(jobs / cores, steps['make demo'])) / whole:.0f} %")


if __name__ == "__main__":
    main()
