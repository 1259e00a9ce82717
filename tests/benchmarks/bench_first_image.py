"""What jobs cost until their first image is embedded, as Snakemake runs them.

    python -m tests.benchmarks.bench_first_image --runs 3
    python -m tests.benchmarks.bench_first_image --runs 3 --than ../earlier

Prints CPU seconds of `embed_images`, with a model of transformers and with one that needs PyTorch
alone, and of `collate`: of the run with the least. With `--than` also those of another checkout, in
turn with those of this one, and the share of them that is left.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

from tests.benchmarks.checkouts import comparison
from tests.helpers import save_tiny_clip
from tests.warm import clean_environment
from tests.workflow.project import ONE_THREAD, PACKAGES, RESULT, Project, write_world

HOOK = Path(__file__).parent / "start_hook"
NOW, EARLIER = "now", "earlier"
PARTS = ("Python", "imports", "model", "first batch")
CACHES = [f"cache/{encoder}/tiny/images-test.h5" for encoder in ("clip", "small")]
EMBEDDED = "cache/store/embed_images"
"""What stands behind the caches; it is made anew by every run, as is the result."""


def write_project(root: Path) -> Project:
    """A project of two encoders that classifies a few images from texts alone."""
    write_world(root)
    save_tiny_clip(root / "tiny-clip")
    project = Project(root)
    config = project.config
    config["encoders"] = {
        "clip": {"library": "transformers", "model": "tiny-clip"},
        "small": {"library": "small", "model": "model"},
    }
    config["evaluation"] = {"methods": ["zero-shot"]}
    project.write_config({k: v for k, v in config.items() if k not in ("pools", "supports")})
    return project


def run(project: Project, repo: Path, times: Path) -> list[dict[str, Any]]:
    """Times of the jobs of one run with the code of a checkout.

    Raises:
        RuntimeError: if the run fails, with its output.
    """
    times.mkdir()
    command = [
        *(sys.executable, "-m", "snakemake", "--snakefile", str(repo / "Snakefile")),
        *("--cores", "1", RESULT, *CACHES, "--set-threads", *ONE_THREAD),
    ]
    paths = os.pathsep.join(map(str, (HOOK, project.path(PACKAGES), repo)))
    said = {"PYTHONPATH": paths, "START_TIMES": str(times), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        command,
        cwd=project.root,
        env=clean_environment() | said,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(done.stdout)
    return [json.loads(path.read_text("utf-8")) for path in times.iterdir()]


def line(name: str, told: dict[str, Any], share: str) -> str:
    """A row of the table."""
    other = told["whole"] - sum(told.get(part, 0.0) for part in PARTS)
    parts = [told.get(part) for part in PARTS] + [other, told["whole"]]
    cells = " ".join("           –" if part is None else f"{part:10.2f} s" for part in parts)
    return f"{name:40}{cells}  {share}"


def main() -> None:
    """Run both checkouts some times in turn, and once before, so that only few jobs are left."""
    asked = comparison(__doc__, runs=3)
    repos = dict(zip((NOW, EARLIER), asked.checkouts, strict=False))
    taken = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        projects = {code: write_project(Path(folder, code, "world")) for code in repos}
        for turn in range(asked.runs + 1):
            for code, repo in repos.items():
                project = projects[code]
                shutil.rmtree(project.path(EMBEDDED), ignore_errors=True)
                project.path(RESULT).unlink(missing_ok=True)
                for told in run(project, repo, Path(folder, code, f"times-{turn}")):
                    if turn:
                        taken[told["job"], told["library"], code].append(told)
    print(f"{'':40}", *(f"{part:>11}" for part in (*PARTS, "other", "whole")))
    least = {key: min(told, key=lambda one: one["whole"]) for key, told in taken.items()}
    for (job, library, code), told in sorted(least.items()):
        now = least.get((job, library, NOW))
        share = f"{now['whole'] / told['whole']:4.0%}" if code == EARLIER and now else ""
        print(line(f"{job} {library} {code}", told, share))


if __name__ == "__main__":
    main()
