"""`susx new` and the commands that it tells, over the shipped configuration."""

import shlex
import shutil
import subprocess
import sys
from contextlib import chdir
from pathlib import Path

import pytest
from typer.testing import CliRunner

from susx.classifier.predictions import PredictionRecord
from susx.cli import app
from susx.manifests.tables import read_table
from tests.helpers import save_tiny_clip
from tests.workflow.project import NAMES, REPO, Project, clean_environment

pytestmark = pytest.mark.pipeline


@pytest.fixture
def own(fresh_project: Project) -> Project:
    """Someone's images beside what the project ships."""
    shutil.copy(REPO / "config.yaml", fresh_project.root)
    shutil.rmtree(fresh_project.path("model"))
    save_tiny_clip(fresh_project.path("model"))
    return fresh_project


def new(project: Project, *arguments: str) -> list[str]:
    """Call `susx new`; return the arguments of the command that it tells."""
    with chdir(project.root):
        done = CliRunner().invoke(app, ["new", *arguments])
    assert done.exit_code == 0, done.output
    susx, run, *rest = shlex.split(done.stdout.splitlines()[-1])
    assert (susx, run) == ("susx", "run")
    return rest


def test_a_folder_and_a_class_list_become_a_result(own: Project) -> None:
    images = ("--images", "images/test", "--classes", "classes.txt")

    told = new(own, "pets", *images, "--encoder", "model")
    outcome = own.run(*told)

    assert not [path for path in outcome.made if "rn50" in path or "siglip" in path]
    result = own.read_json("results/pets.json")
    methods = {row["method"] for row in result["runs"]}
    assert methods == {"zero-shot", "dn", "calip", "transclip", "fusion-text"}
    assert {row["encoder"] for row in result["runs"]} == {"model"}
    assert [entry["name"] for entry in own.read_json("work/pets/classes.json")["classes"]] == NAMES
    assert own.plan(*told).jobs == []


def test_a_flat_folder_and_a_pool_become_predictions(own: Project) -> None:
    flat = own.path("my photos")
    flat.mkdir()
    for index, path in enumerate(sorted(own.path("images/test").rglob("*.png"))):
        shutil.copy(path, flat / f"{index}.png")
    options = ("--classes", "classes.txt", "--pool", "pool", "--encoder", "model")

    told = new(own, "pets", "--images", "my photos", *options)
    own.run(*told)

    table = read_table(own.path("results/pets/predictions.parquet"), PredictionRecord)
    assert len(table.records) == len(list(flat.iterdir()))
    assert table.meta["method"] == "tip-x"


def test_the_check_that_it_tells_runs(own: Project) -> None:
    new(own, "pets", "--images", "images/test", "--classes", "classes.txt", "--encoder", "model")
    assert own.plan("check/pets.json", "--configfile", "pets.yaml").rules == {
        *("class_manifest", "check_dataset")
    }


def test_all_that_is_wanted_is_planned_and_nothing_else(own: Project) -> None:
    options = ("--validation", "images/validation", "--descriptions", "descriptions.json")
    drawn = ("--pool", "pool/{000..001}.tar", "--synthesise", "demo", "--encoder", "model")
    told = new(own, "pets", "--images", "images/test", "--classes", "classes.txt", *options, *drawn)

    outcome = own.plan(*told)

    assert {"search_shard", "synthesise", "evaluate", "collate"} <= outcome.rules
    assert not outcome.rules & {"demo_images", "demo_pool"}
    names = {Path(path).parts[1] for path in outcome.made if path.startswith("work/")}
    assert names == {"pets"}
    assert {Path(p).parts[1] for p in outcome.made if p.startswith("cache/")} == {"model"}


def test_susx_run_makes_what_snakemake_makes(own: Project) -> None:
    told = new(own, "pets", "--images", "images/test", "--classes", "classes.txt")
    assert told[0] == "results/pets.json"

    planned = susx_run(own, "--dry-run", *told)
    nothing = susx_run(own, "--dry-run", "results/cats.json")

    assert planned.returncode == 0, planned.stderr
    assert "rule collate:" in planned.stdout + planned.stderr
    assert nothing.returncode == 1
    assert "results/cats.json" in nothing.stdout + nothing.stderr


def susx_run(project: Project, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from susx.cli import app; app()", "run", *arguments],
        cwd=project.root,
        env={**clean_environment(), "PYTHONPATH": str(REPO)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
