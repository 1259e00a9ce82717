"""Whether the result of a finished project follows from what lies there, and what pruning does."""

import os
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from susx.cli import app
from susx.core.files import read_json
from tests.small_package import save_small_encoder
from tests.workflow.project import PACKAGES, RESULT, Project

pytestmark = pytest.mark.pipeline

RUN = CliRunner(env={"COLUMNS": "200", "TERM": "dumb"})
FOLLOWS = "follows from what lies here: 9 sources, 11 stages"


def susx(*arguments: str, code: int) -> list[str]:
    done = RUN.invoke(app, arguments)
    assert done.exit_code == code, done.output
    return done.output.splitlines()


@pytest.fixture
def here(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A finished project in the working folder."""
    monkeypatch.chdir(project.root)
    monkeypatch.syspath_prepend(project.path(PACKAGES))
    return project


def test_a_result_follows_from_its_project(here: Project) -> None:
    assert susx("verify", RESULT, code=0) == [FOLLOWS]
    assert susx("verify", RESULT, "--full", code=0) == [FOLLOWS]
    identity = read_json(RESULT)["provenance"]["identity"]
    stages = {one["recipe"]["stage"] for one in identity["tree"].values()}
    assert {"collate", "evaluate", "embed_images", "select_support"} <= stages


def test_a_swapped_model_is_named_whatever_its_times(here: Project, tmp_path: Path) -> None:
    save_small_encoder(tmp_path / "other", seed=1)
    weights = Path("model/model.safetensors")
    times = weights.stat()
    shutil.copyfile(tmp_path / "other/model.safetensors", weights)
    os.utime(weights, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert susx("verify", RESULT, code=1) == [
        "model/model.safetensors changed",
        "does not follow from what lies here: 1 change",
    ]


def test_an_added_image_is_named_whatever_the_times_of_its_folder(here: Project) -> None:
    folder = Path("images/test/zebra")
    times = folder.stat()
    shutil.copyfile(folder / "000.png", folder / "new.png")
    os.utime(folder, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert susx("verify", RESULT, code=1)[0] == "images/test: 1 file added (zebra/new.png)"


def test_a_copied_result_is_checked_with_its_project(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(project.path(PACKAGES))
    shutil.copy(project.path(RESULT), "copy.json")
    assert susx("verify", "copy.json", "--project", "project", code=0) == [FOLLOWS]
    project.change_config(lambda config: config["evaluation"].update(search="continuous"))
    assert susx("verify", "copy.json", "--project", "project", code=1)[0] == (
        'config.yaml: evaluation.search is "continuous", was "grid"'
    )


def test_pruning_leaves_what_a_project_stands_on_and_forgetting_does_not(here: Project) -> None:
    assert susx("cache", "verify", code=0)[-1] == "no faults"
    susx("cache", "prune", "--unreachable", "--leftovers", code=0)
    assert here.run(RESULT).jobs == []
    susx("cache", "forget", "work/tiny/prompts/photo.json", code=0)
    assert "prompts" in here.plan(RESULT).rules
    before = Path(RESULT).read_bytes()
    here.run(RESULT)
    assert Path("work/tiny/prompts/photo.json").exists()
    assert susx("verify", RESULT, code=0) == [FOLLOWS]
    assert Path(RESULT).read_bytes() == before
