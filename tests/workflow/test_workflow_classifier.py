"""From class names and a folder of images without labels to a classifier and its predictions."""

import shutil
from typing import Any

import pytest

import susx
from susx.classifier.predictions import PredictionRecord
from susx.manifests.tables import read_table
from tests.workflow.project import NAMES, PACKAGES, RESULT, Project

PREDICTIONS = "results/tiny/predictions.parquet"
CLASSIFIER = "results/tiny/classifier/clip.safetensors"

pytestmark = pytest.mark.pipeline


def without_labels(project: Project, n: int = 7) -> None:
    """Move images to a nested folder, forget their labels, and configure nothing but that."""
    test = sorted(project.path("images/test").rglob("*.png"))
    project.path("photos/2024").mkdir(parents=True)
    for i, path in enumerate(test[::3][:n]):
        shutil.copy(path, project.path("photos/2024" if i % 2 else "photos") / f"{i}.png")
    project.path("photos/broken.jpg").write_bytes(b"no image")
    shutil.rmtree(project.path("images"))

    def four_lines(config: dict[str, Any]) -> None:
        config["datasets"] = {
            "tiny": {"classes": "classes.txt", "images": {"unlabelled": "photos"}}
        }

    project.change_config(four_lines)


def test_a_folder_without_labels_is_classified_by_default(
    fresh_project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(fresh_project.path(PACKAGES))
    without_labels(fresh_project)
    outcome = fresh_project.run()

    assert outcome.rules >= {"list_unlabelled", "select_support", "export_classifier", "predict"}
    assert not outcome.rules & {"evaluate", "collate", "image_manifest"}
    assert "tiny: 8 images, 1 unreadable" in outcome.output
    table = read_table(fresh_project.path(PREDICTIONS), PredictionRecord)
    assert (table.meta["n_images"], table.meta["n_unreadable"]) == (8, 1)
    assert [r.key for r in table.records if r.reason] == ["broken.jpg"]
    assert {"2024/1.png", "0.png"} < {r.key for r in table.records}
    loaded = susx.load_classifier(fresh_project.path(CLASSIFIER), str(fresh_project.path("model")))
    meta = loaded.meta
    assert (meta.method, meta.support, meta.protocol, meta.tuned_on) == (
        "tip-x", "lc", "fixed", "nothing"
    )  # fmt: skip
    assert (meta.calibration.temperature_on, meta.temperature) == ("nothing", 1)
    assert meta.calibration.constants_on == "support"
    good = [r for r in table.records if not r.reason]
    images = [fresh_project.path(record.path) for record in good]
    assert loaded.predict(images).names == [record.names[0] for record in good]
    assert loaded.classes.names == NAMES

    assert fresh_project.plan().jobs == []
    fresh_project.change_config(lambda c: c.update(classifier={"protocol": "support"}))
    assert fresh_project.run().rules == {"export_classifier", "predict"}
    assert read_table(fresh_project.path(PREDICTIONS), PredictionRecord).meta["tuned_on"] == (
        "support"
    )

    shutil.copy(images[0], fresh_project.path("photos/2024/new.png"))
    changed = fresh_project.run().rules
    assert changed == {"list_unlabelled", "embed_images", "predict"}
    table = read_table(fresh_project.path(PREDICTIONS), PredictionRecord)
    assert table.meta["n_images"] == 9


def test_results_without_test_images_point_to_predictions(fresh_project: Project) -> None:
    without_labels(fresh_project)

    outcome = fresh_project.attempt("--dry-run", RESULT)

    assert outcome.returncode
    assert "config.yaml: datasets.tiny.images.test is not set" in outcome.output
    assert f"ask for {PREDICTIONS}" in outcome.output
    assert "Traceback" not in outcome.output


def test_labelled_test_images_are_predicted_as_they_were_tested(project: Project) -> None:
    outcome = project.run(PREDICTIONS)

    assert outcome.rules == {"export_classifier", "predict"}
    rows = project.read_json(RESULT)["runs"]
    (row,) = [r for r in rows if r["method"] == "tip-x" and r["protocol"] == "validation"]
    table = read_table(project.path(PREDICTIONS), PredictionRecord)
    assert sum(record.label == record.names[0] for record in table.records) == row["correct"]
    assert table.meta["hyperparameters"] == row["hyperparameters"]
    assert table.meta["calibration"]["constants_on"] == "test"
    assert table.meta["calibration"]["temperature_on"] == "validation"
    assert project.plan(RESULT).jobs == []
