"""Processor time of a whole small run: four images, from class names to a result.

`python -m tests.benchmarks.bench_small_run` makes a project of four classes with an image of each
and a tiny random CLIP of the transformers library, and runs it on one core, in a fresh folder each
time. Prints CPU seconds of every job, of Snakemake and of all together, for the run with the least.
Nearly all of it is starting programs.
"""

import argparse
import tempfile
from pathlib import Path

from tests.benchmarks.bench_demo import rule_costs
from tests.benchmarks.processes import cost
from tests.helpers import save_tiny_clip, write_class_folders
from tests.workflow.project import FOLDERS, NAMES, RESULT, Project


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


def run() -> tuple[float, dict[str, float]]:
    """CPU seconds in all, and by rule.

    Raises:
        RuntimeError: if the run fails, with its output.
    """
    with tempfile.TemporaryDirectory() as folder:
        project = write_project(Path(folder) / "project")
        command = project.command("--cores", "1", RESULT)
        took = cost(command, project.root, project.cold_environment({"HF_HUB_OFFLINE": "1"}))
        rules = {
            rule: sum(float(job["cpu_time"]) for job in jobs)
            for rule, jobs in rule_costs(project.root).items()
        }
    return took.processor, rules


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    total, rules = min((run() for _ in range(parser.parse_args().runs)), key=lambda found: found[0])
    for rule, seconds in sorted(rules.items(), key=lambda found: -found[1]):
        print(f"{rule:20} {seconds:5.1f} s")
    print(f"{'all':20} {total:5.1f} s")


if __name__ == "__main__":
    main()
