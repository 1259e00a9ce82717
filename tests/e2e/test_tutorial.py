"""The commands of "Your first classifier", as the page has them, on made-up images."""

import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import susx
from susx.classifier.predictions import PredictionRecord
from susx.manifests.tables import read_table
from tests.helpers import colour_of, image_bytes, save_tiny_clip, write_class_folders
from tests.pages import blocks, text_of
from tests.workflow.project import REPO, Project

PAGE = "docs/first_classifier.md"
INSTALL, LABEL_FREE, CLASSIFIED, LABELLED, HELPED = blocks(PAGE, "bash")
(PETS,) = blocks(PAGE, "yaml")
PREDICTIONS = "results/pets/predictions.parquet"
MODEL = "openai/clip-vit-base-patch32"
CLASSIFIER = "results/pets/classifier/clip-vit-base-patch32.safetensors"

pytestmark = pytest.mark.pipeline


@pytest.fixture
def newcomer(tmp_path: Path) -> Project:
    """A folder with class names, photos, an archive, and a small model where CLIP's would be."""
    project = Project(tmp_path / "project")
    names, example = blocks(PAGE, "text")[:2]
    save_tiny_clip(project.path(MODEL))
    folders = [Path(line).parts[-2] for line in example.splitlines()]
    assert folders == names.splitlines()
    write_class_folders(project.path("my/test"), folders, 4)
    project.path("my/classes.txt").write_text(names, "utf-8")
    for folder, n in (("photos/2024", 3), ("other", 2), ("archive/old", 60)):
        project.path(f"my/{folder}").mkdir(parents=True)
        for i in range(n):
            image = image_bytes(colour_of(i, n), seed=100 + i)
            project.path(f"my/{folder}/{i}.png").write_bytes(image)
    shutil.copy(REPO / "config.yaml", project.root)
    return project


def called(project: Project, block: str) -> Iterator[str]:
    """Call the commands of a block one after the other, and give what each printed."""
    for line in block.splitlines():
        program, *words = shlex.split(line)
        assert program == "susx"
        done = subprocess.run(
            [str(Path(sys.executable).with_name("susx")), *words],
            cwd=project.root,
            env=project.environment({"HF_HUB_OFFLINE": "1"}),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}"
        yield done.stdout


def meta(project: Project) -> dict[str, Any]:
    return read_table(project.path(PREDICTIONS), PredictionRecord).meta


def test_all_ways_of_the_tutorial_lead_to_a_classifier(newcomer: Project) -> None:
    _, planned, _, table = called(newcomer, LABEL_FREE)
    assert "to do" in planned
    assert "2024/0.png" in table
    assert (meta(newcomer)["n_images"], meta(newcomer)["method"]) == (3, "zero-shot")
    (other,) = called(newcomer, CLASSIFIED)
    assert "my/other/1.png" in other

    *before, compared, show = LABELLED.splitlines()
    dry = f"{compared} --dry-run"  # the result is made once, below
    looked, _, planned = called(newcomer, "\n".join([*before, dry]))
    assert "test images: 12 in my/test" in looked
    assert newcomer.read_json("check/pets.json")["problems"] == []
    assert "evaluate" in planned

    newcomer.path("pets.yaml").write_text(PETS, "utf-8")
    (helped,) = called(newcomer, HELPED)
    assert "tip-x" in helped
    result = newcomer.read_json("results/pets.json")
    assert result["n_test"] == 12
    assert {run["method"] for run in result["runs"]} == {"zero-shot", "tip-x", "fusion"}
    (shown,) = called(newcomer, show)
    assert "zero-shot" in shown
    assert (meta(newcomer)["method"], meta(newcomer)["support"]) == ("tip-x", "lc-photo")
    loaded = susx.load_classifier(newcomer.path(CLASSIFIER), str(newcomer.path(MODEL)))
    assert loaded.meta.calibration.temperature_on == "nothing"
    assert newcomer.path("work/pets/support/lc-photo/images.tar").exists()


def test_mistakes_in_calls_have_the_messages_that_the_page_explains(newcomer: Project) -> None:
    untested = {key: yaml.safe_load(PETS)[key] for key in ("datasets", "encoders")}
    del untested["datasets"]["pets"]["images"]["test"]
    newcomer.write_config(untested)
    unset = newcomer.attempt("--dry-run", "results/pets.json").output
    newcomer.path("my/classes.txt").unlink()
    nameless = newcomer.attempt("--dry-run").output
    for output in (unset, nameless):
        explained = [line.split("`")[1] for line in text_of(PAGE).splitlines() if "| `" in line]
        assert [message for message in explained if message in output], output
