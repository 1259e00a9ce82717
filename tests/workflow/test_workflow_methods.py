"""Few-shot support sets, tuning protocols, and methods that lack what they need."""

import json
from typing import Any

import pytest

from susx.evaluation.schema import Result, read_result
from susx.manifests.tables import SupportRecord, read_table
from susx.methods import METHODS
from tests.closeness import stored
from tests.helpers import write_class_folders
from tests.workflow.project import FOLDERS, NAMES, RESULT, Project

pytestmark = pytest.mark.pipeline


def result_of(project: Project) -> Result:
    return read_result(project.path(RESULT))


def add_few_shot(config: dict[str, Any]) -> None:
    config["datasets"]["tiny"]["images"]["train"] = "images/train"
    config["datasets"]["tiny"]["descriptors"] = "descriptors.json"
    config["supports"]["shots"] = {"source": "few-shot", "size": 2, "seeds": [3, 5]}
    config["evaluation"]["methods"].append("visdesc")
    config["evaluation"]["protocols"] = ["validation", "support"]
    config["evaluation"]["search"] = "continuous"


def test_few_shot_supports_are_drawn_from_training_images(project: Project) -> None:
    write_class_folders(project.path("images/train"), FOLDERS, 5, seed=9000)
    project.path("descriptors.json").write_text(json.dumps({n: ["a dot"] for n in NAMES}))
    project.change_config(add_few_shot)

    outcome = project.run(RESULT)

    assert outcome.rules == {
        "image_manifest", "draw_support", "embed_support", "prompts", "embed_text", "evaluate",
        "collate",
    }  # fmt: skip
    drawn = {}
    for seed in (3, 5):
        table = read_table(
            project.path(f"work/tiny/support/shots-seed{seed}/manifest.parquet"), SupportRecord
        )
        assert [record.label for record in table.records] == [0, 0, 1, 1, 2, 2, 3, 3]
        drawn[seed] = {record.location for record in table.records}
        for record in table.records:
            assert f"images/train/{FOLDERS[record.label]}/" in record.location
    assert drawn[3] != drawn[5]
    result = result_of(project)
    assert result.skipped == []
    shots = [run for run in result.runs if run.support == "shots"]
    asked = project.config["evaluation"]["methods"]
    assert {run.method for run in shots} == {name for name in asked if METHODS[name].needs_support}
    assert {run.seed for run in shots} == {3, 5}
    assert {run.support_size for run in shots} == {8}
    assert {run.tuned_on for run in shots if METHODS[run.method].grid} == {
        "validation", "support"
    }  # fmt: skip
    for spread in result.seeds:
        values = [
            run.top1
            for run in shots
            if (run.method, run.text, run.protocol) == (spread.method, spread.text, spread.protocol)
        ]
        assert spread.n_seeds == 2
        assert spread.top1_mean == pytest.approx(sum(values) / 2, abs=stored(3))
        assert spread.top1_std == pytest.approx(abs(values[0] - values[1]) / 2**0.5, abs=stored(3))
    assert len(result.seeds) == len(shots) / 2
    assert "2 seeds" in outcome.output
    assert "visdesc" in {run.method for run in result.runs}


def test_what_a_dataset_lacks_is_told_and_the_rest_is_run(project: Project) -> None:
    def bare(config: dict[str, Any]) -> None:
        del config["datasets"]["tiny"]["descriptions"]
        del config["datasets"]["tiny"]["images"]["validation"]
        del config["evaluation"]["methods"]
        config["supports"]["shots"] = {"source": "few-shot"}

    project.change_config(bare)

    outcome = project.run(RESULT)

    result = result_of(project)
    reasons = {(case.method, case.support, case.protocol): case.reason for case in result.skipped}
    assert reasons["cupl", None, "none"].endswith("datasets.tiny.descriptions is not set")
    assert reasons["visdesc", None, "none"].endswith("datasets.tiny.descriptors is not set")
    assert reasons["gda", "shots", "fixed"].endswith("datasets.tiny.images.train is not set")
    assert "needs validation images" in reasons["tip-x", "lc", "validation"]
    assert {run.protocol for run in result.runs} == {"none", "fixed"}
    assert {run.text for run in result.runs} == {"ensemble", "photo"}
    assert {"zero-shot", "dn", "calip", "tip-x", "ape", "gda", "fusion"} <= {
        run.method for run in result.runs
    }
    assert "left out: cupl needs prompt strategy" in outcome.output


def test_tuning_on_test_needs_a_card_and_is_flagged(project: Project) -> None:
    card = "title: Tiny\nclasses: [zebra, a/b, café, apple]\nvalidation: test\n"
    project.path("card.yaml").write_text(card, "utf-8")

    def on_test(config: dict[str, Any]) -> None:
        config["datasets"]["tiny"]["card"] = "card.yaml"  # the names stay those of classes.txt
        del config["datasets"]["tiny"]["images"]["validation"]

    project.change_config(on_test)

    outcome = project.run(RESULT)

    assert outcome.rules == {"evaluate", "collate"}
    tuned = [run for run in result_of(project).runs if run.protocol == "validation"]
    assert tuned
    assert {run.tuned_on for run in tuned} == {"test"}
    for run in tuned:
        assert run.tuning_correct == run.correct
    assert "TEST SPLIT" in outcome.output
