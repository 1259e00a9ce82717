"""`susx plan` tells what a run would do and lacks, and does nothing."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.workflow.project import REPO, RESULT, Project, clean_environment

pytestmark = pytest.mark.pipeline
PLAN = [sys.executable, "-c", "from susx.cli import app; app()", "plan"]


def plan(project: Project, *arguments: str) -> "subprocess.CompletedProcess[str]":
    environment = project.cold_environment({"HF_HUB_OFFLINE": "1", "PYTHONPATH": str(REPO)})
    command = [*PLAN, *project.command(*arguments)[3:]]
    return subprocess.run(
        command, cwd=project.root, env=environment, capture_output=True, text=True, timeout=600
    )


def test_everything_that_is_missing_is_told_at_once(fresh_project: Project) -> None:
    def change(config: dict[str, Any]) -> None:
        named = {"card": "imagenet", "images": {"root": "nowhere"}}
        config["datasets"] |= {"imagenet": named}
        config["datasets"]["tiny"]["images"]["validation"] = "gone"
        config["supports"]["drawn"] = {"source": "synthesis", "preset": "fast"}
        config["evaluation"]["supports"] = ["lc"]

    fresh_project.change_config(change)
    before = {*fresh_project.root.rglob("*")}
    done = plan(fresh_project, RESULT, "results/imagenet.json", "--json")

    assert done.returncode == 1, done.stderr
    found = json.loads(done.stdout)
    assert found["format"] == "susx-plan-1"
    assert found["targets"] == ["results/imagenet.json", RESULT]
    data, validation = found["missing"]
    assert data.startswith(
        "config.yaml: datasets.imagenet.images.root: folder not found: nowhere; `download: true` "
    )
    assert "ImageNet (ILSVRC 2012) is published at https://www.image-net.org/" in data
    assert validation == "config.yaml: datasets.tiny.images.validation: not found: gone"
    steps = {step["step"]: step for step in found["steps"]}
    assert steps["images"]["things"]["images"] > 50_000
    assert steps["evaluation"]["jobs"] == 4
    written = {path.relative_to(fresh_project.root) for path in fresh_project.root.rglob("*")}
    written -= {path.relative_to(fresh_project.root) for path in before}
    own = [Path(".snakemake"), Path("work/memory")]  # hashes of inputs, as a dry run writes them
    written = {path for path in written if "__pycache__" not in path.parts}  # Python's own
    assert [
        p for p in written if not any(p in [q, *q.parents] or q in p.parents for q in own)
    ] == []


def test_a_plan_is_a_table_within_eighty_columns(fresh_project: Project) -> None:
    done = plan(fresh_project, RESULT)
    assert done.returncode == 0, done.stderr
    first, *rows = done.stdout.splitlines()
    assert "jobs to do, 0 current; " in first
    assert max(map(len, [first, *rows])) <= 80
    assert any(row.startswith("embedding") for row in rows)
    assert "SNAKEMAKE" not in done.stderr


def test_what_is_no_run_is_refused(fresh_project: Project) -> None:
    done = plan(fresh_project, RESULT, "--unlock")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == (
        "error: --unlock does something else than run jobs; leave it out"
    )


def test_a_run_begins_with_its_plan(fresh_project: Project) -> None:
    classes = "work/tiny/classes.json"
    assert (
        "plan: 1 job to do, 0 current; < 1 min on this machine" in fresh_project.run(classes).output
    )
    assert "plan:" not in fresh_project.run(classes).output
    done = plan(fresh_project, classes)
    assert done.stdout == "nothing to do: 1 job current\n"


def test_an_empty_folder_takes_workflow_and_configuration_of_the_installation(
    tmp_path: Path,
) -> None:
    environment = {**clean_environment(), "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(REPO)}
    done = subprocess.run(
        [*PLAN, "results/dtd.json", "--json"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 1, done.stderr
    missing = json.loads(done.stdout)["missing"]
    assert any("datasets.dtd.images.root: folder not found: data/dtd" in line for line in missing)
    assert any("encoders.siglip2-b16: google/siglip2-base-patch16-224" in line for line in missing)
