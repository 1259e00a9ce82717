"""The demo on one machine and on a Slurm cluster of two nodes started here: equal results?

`python -m tests.benchmarks.bench_slurm` leaves synthesis and most methods out; `--whole` runs all.
Images are rendered once, by the local run. Both nodes are this machine, so that Slurm can only be
slower: by what it takes to start three times Python per job, and to notice that a job has ended.
"""

import argparse
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.table import Table

from tests.e2e.demo_project import copy_demo, demo_command
from tests.slurm.cluster import Cluster
from tests.slurm.test_slurm import OVERRIDES
from tests.workflow.project import Project, assert_same_outputs, clean_environment

METHODS = ["zero-shot", "cupl+e", "tip-adapter", "tip-x", "fusion"]


def reduce(file: Path) -> None:
    """Leave synthesis and most methods of the demo out."""
    config: dict[str, Any] = yaml.safe_load(file.read_text("utf-8"))
    config["evaluation"] |= {"methods": METHODS, "supports": ["lc-photo"]}
    file.write_text(yaml.safe_dump(config), "utf-8")


def run(root: Path, *arguments: str, env: dict[str, str]) -> float:
    """Seconds of a run.

    Raises:
        RuntimeError: if it fails, with its output.
    """
    started = time.perf_counter()
    done = subprocess.run(
        demo_command(root, *arguments),
        cwd=root,
        env={**clean_environment(), "HF_HUB_OFFLINE": "1", **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(done.stdout)
    return time.perf_counter() - started


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--whole", action="store_true")
    whole = parser.parse_args().whole
    table = Table(title="The demo" if whole else "The demo, reduced")
    for name in ("where", "Slurm jobs", "seconds"):
        table.add_column(name)
    with tempfile.TemporaryDirectory(prefix="susx-slurm-") as folder:
        local, remote = (Project(Path(folder) / name) for name in ("local", "remote"))
        for project in (local, remote):
            copy_demo(project.root)
            if not whole:
                reduce(project.path("demo/config.yaml"))
        table.add_row("local", "0", f"{run(local.root, env={}):.0f}")
        shutil.copytree(local.path("demo/data"), remote.path("demo/data"))
        cluster = Cluster(Path(folder) / "cluster")
        try:
            cluster.start()
            seconds = run(remote.root, *OVERRIDES, env=cluster.env)
            table.add_row("Slurm", str(len(cluster.jobs())), f"{seconds:.0f}")
        finally:
            cluster.stop()
        assert_same_outputs(local, remote)
    console = Console()
    console.print(table)
    console.print(f"same results and caches; load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
