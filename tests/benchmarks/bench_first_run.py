"""From `git clone` to the demo's result, as a newcomer has it, and what of that is computing.

    python -m tests.benchmarks.bench_first_run [--cores 2]

Clones this checkout's last commit to a fresh folder, installs what the demo needs, and runs it.
Prints seconds of each step, and the share of the time in which no job of the demo ran. What pip
downloaded before it takes from its cache; Python keeps what it compiles.
"""

import argparse
import subprocess
import tempfile
import time
from pathlib import Path

from susx.progress.events import EVENT, JobFinished, JobInfo
from susx.progress.files import last_file
from tests.warm import clean_environment
from tests.workflow.project import REPO


def seconds(folder: Path, *command: str) -> float:
    """Time of a command.

    Raises:
        CalledProcessError: if it fails.
    """
    kept = {name: value for name, value in clean_environment().items() if name != "PYTHONPATH"}
    started = time.perf_counter()
    subprocess.run(command, cwd=folder, env=kept, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - started


def working_seconds(folder: Path) -> float:
    """How long at least one job ran, by the events of the run."""
    started: dict[int, float] = {}
    total, began = 0.0, 0.0
    for line in last_file(folder).read_bytes().splitlines():
        event = EVENT.validate_json(line)
        if isinstance(event, JobInfo):
            began = began if started else event.time
            started[event.job] = event.time
        elif isinstance(event, JobFinished):
            del started[event.job]
            total += 0.0 if started else event.time - began
    return total


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
        working = working_seconds(folder)
    for name, taken in steps.items():
        print(f"{name:14} {taken:6.1f} s")
    whole = sum(steps.values())
    print(f"{'all':14} {whole:6.1f} s")
    print(f"no job runs in {100 * (whole - working) / whole:.0f} % of the time")


if __name__ == "__main__":
    main()
