"""The commands of "Your first classifier", as the page has them, on made-up images."""

import shlex
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
from tests.workflow.project import Project

PAGE = "docs/first_classifier.md"
INSTALL, *PATHS = blocks(PAGE, "bash")
LABEL_FREE, LABELLED, POOL = blocks(PAGE, "yaml")
PREDICTIONS = "results/pets/predictions.parquet"
CLASSIFIER = "results/pets/classifier/clip-vit-b32.safetensors"

pytestmark = pytest.mark.pipeline


@pytest.fixture
def newcomer(tmp_path: Path) -> Project:
    """A folder with class names, photos, an archive, and a small model in place of CLIP."""
    project = Project(tmp_path / "project")
    names, example = blocks(PAGE, "text")[:2]
    save_tiny_clip(project.path("model"))
    folders = [Path(line).parts[-2] for line in example.splitlines()]
    assert folders == names.splitlines()
    write_class_folders(project.path("my/test"), folders, 4)
    project.path("my/classes.txt").write_text(names, "utf-8")
    for folder, n in (("photos/2024", 3), ("other", 2), ("archive/old", 60)):
        project.path(f"my/{folder}").mkdir(parents=True)
        for i in range(n):
            image = image_bytes(colour_of(i, n), seed=100 + i)
            project.path(f"my/{folder}/{i}.png").write_bytes(image)
    project.write_config({})
    return project


def configure(project: Project, block: str) -> None:
    """Put a block of the page into config.yaml, with the small model."""
    example = yaml.safe_load(block)
    for encoder in example.get("encoders", {}).values():
        encoder["model"] = "model"
    project.change_config(lambda config: config.update(example))


def called(project: Project, block: str) -> Iterator[str]:
    """Call the commands of a block one after the other, and give what each printed."""
    for line in block.splitlines():
        program, *words = shlex.split(line)
        command = [str(Path(sys.executable).with_name("susx")), *words]
        if program == "snakemake":
            assert words[:2] == ["--cores", "4"]
            command = project.command(*words[2:])
        done = subprocess.run(
            command,
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


def test_all_paths_of_the_tutorial_lead_to_a_classifier(newcomer: Project) -> None:
    shown, classified, tested, helped = PATHS
    configure(newcomer, LABEL_FREE)
    plan, _, table = called(newcomer, shown)
    assert "rule predict" in plan
    assert "2024/0.png" in table
    assert (meta(newcomer)["n_images"], meta(newcomer)["method"]) == (3, "zero-shot")
    (other,) = called(newcomer, classified)
    assert "my/other/1.png" in other

    configure(newcomer, LABELLED)
    configure(newcomer, POOL)
    _, _, compared = called(newcomer, tested)
    assert newcomer.read_json("check/pets.json")["problems"] == []
    result = newcomer.read_json("results/pets.json")
    assert result["n_test"] == 12
    assert {run["method"] for run in result["runs"]} >= {"zero-shot", "calip", "tip-x", "fusion"}
    assert {case["method"] for case in result["skipped"]} >= {"cupl", "visdesc"}
    assert "transclip" in compared
    (again,) = called(newcomer, helped)
    assert "Nothing to be done" in again
    assert (meta(newcomer)["method"], meta(newcomer)["support"]) == ("tip-x", "lc")
    loaded = susx.load_classifier(newcomer.path(CLASSIFIER), str(newcomer.path("model")))
    assert loaded.meta.calibration.temperature_on == "nothing"
    assert newcomer.path("work/pets/support/lc/images.tar").exists()


def test_mistakes_in_calls_have_the_messages_that_the_page_explains(newcomer: Project) -> None:
    configure(newcomer, LABEL_FREE)
    untested = newcomer.attempt("--dry-run", "results/pets.json").output
    newcomer.path("my/classes.txt").unlink()
    nameless = newcomer.attempt("--dry-run").output
    for output in (untested, nameless):
        explained = [line.split("`")[1] for line in text_of(PAGE).splitlines() if "| `" in line]
        assert [message for message in explained if message in output], output
