"""Processor time of a whole small run: four images, from class names to a result.

`python -m tests.benchmarks.bench_small_run` makes a project of four classes with an image of each
and a tiny random CLIP of the transformers library, and runs it on one core, in a fresh folder each
time. Prints CPU seconds of every job, of Snakemake and of all together, for the run with the least.
Nearly all of it is starting programs.
"""

import argparse
import csv
import resource
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.helpers import save_tiny_clip, write_class_folders
from tests.warm import clean_environment
from tests.workflow.project import FOLDERS, NAMES, ONE_THREAD, REPO, RESULT, Project


def write_project(root: Path) -> Project:
    """Names, four images, an encoder."""
    write_class_folders(root / "images", FOLDERS, 1)
    save_tiny_clip(root / "model")
    (root / "classes.txt").write_text("\n".join(NAMES) + "\n", "utf-8")
    project = Project(root)
    project.write_config(
        {
            "datasets": {"tiny": {"classes": "classes.txt", "images": {"test": "images"}}},
            "encoders": {"clip": {"library": "transformers", "model": "model"}},
            "evaluation": {"methods": ["zero-shot"]},
        }
    )
    return project


def of_jobs(root: Path) -> Iterator[tuple[str, float]]:
    """CPU seconds of jobs by rule, as Snakemake's benchmark files have them."""
    for path in sorted((root / "benchmarks").rglob("*.tsv")):
        with path.open(encoding="utf-8", newline="") as file:
            for line in csv.DictReader(file, delimiter="\t"):
                yield path.relative_to(root / "benchmarks").parts[0], float(line["cpu_time"])


def run() -> tuple[float, Counter[str]]:
    """CPU seconds in all, and by rule.

    Raises:
        RuntimeError: if the run fails, with its output.
    """
    with tempfile.TemporaryDirectory() as folder:
        project = write_project(Path(folder) / "project")
        command = [
            *(sys.executable, "-m", "snakemake", "--snakefile", str(REPO / "Snakefile")),
            *("--cores", "1", RESULT, "--set-threads", *ONE_THREAD),
        ]
        paths = {"PYTHONPATH": str(REPO), "HF_HUB_OFFLINE": "1"}
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            command,
            cwd=project.root,
            env=clean_environment() | paths,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode:
            raise RuntimeError(done.stdout)
        rules: Counter[str] = Counter()
        for rule, seconds in of_jobs(project.root):
            rules[rule] += seconds  # type: ignore[assignment]
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, rules


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    total, rules = min((run() for _ in range(parser.parse_args().runs)), key=lambda found: found[0])
    for rule, seconds in rules.most_common():
        print(f"{rule:20} {seconds:5.1f} s")
    print(f"{'all':20} {total:5.1f} s")


if __name__ == "__main__":
    main()
