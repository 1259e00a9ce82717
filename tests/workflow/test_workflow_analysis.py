"""The analysis that a report is made from."""

from typing import Any

import pytest

from susx.report.schema import Analysis
from tests.workflow.project import NAMES, RESULT, Project

ANALYSIS = "work/tiny/analysis/clip.json"

pytestmark = pytest.mark.pipeline


def read(project: Project) -> Analysis:
    return Analysis.model_validate(project.read_json(ANALYSIS))


def test_the_row_of_the_classifier_is_analysed_and_only_anew_for_what_it_shows(
    project: Project,
) -> None:
    outcome = project.run(ANALYSIS)

    assert outcome.rules == {"analyse"}
    found = read(project)
    assert found.shown is not None
    assert found.before.method == "zero-shot"
    runs = project.read_json(RESULT)["runs"]
    names = found.shown.model_dump()
    (row,) = [run for run in runs if all(run[key] == value for key, value in names.items())]
    assert names == {
        "method": "tip-x", "text": "cupl+e", "support": "lc", "protocol": "validation", "seed": None
    }  # fmt: skip
    assert [change.name for change in found.classes] == NAMES
    assert sum(change.after for change in found.classes) == row["correct"]
    assert found.n_corrected - found.n_broken == row["correct"] - sum(
        change.before for change in found.classes
    )
    assert {surface.tuned_on for surface in found.surfaces} == {"validation"}
    assert {point.case.method for point in found.sizes} == {"tip-x", "tip-adapter", "fusion"}
    assert max(point.per_class for point in found.sizes) == 3
    assert project.plan(ANALYSIS, RESULT).jobs == []
    assert not project.hidden_files()

    project.change_config(lambda c: c.update(report={"thumbnail": 64, "images_per_class": 2}))
    assert project.plan(ANALYSIS, RESULT).jobs == []
    project.change_config(lambda c: c.update(report={"examples": 1, "voters": 1}))
    assert project.run(ANALYSIS, RESULT).rules == {"analyse"}
    changes = [example.change for example in read(project).examples]
    assert len(changes) == len(set(changes))
    assert all(len(example.voters) <= 1 for example in read(project).examples)


def test_a_row_that_is_not_evaluated_is_not_shown(project: Project) -> None:
    def without_tip_x(config: dict[str, Any]) -> None:
        config["evaluation"]["methods"] = ["cupl", "tip-adapter"]
        del config["evaluation"]["grid"]["tip-x"]

    project.change_config(without_tip_x)
    assert project.run(ANALYSIS).rules == {"evaluate", "analyse"}
    found = read(project)
    assert (found.shown, found.sizes, found.surfaces, found.examples) == (None, [], [], [])
    assert found.before.text == "cupl"
    assert found.confused_before == found.confused_after

    project.change_config(lambda c: c.update(classifier={"method": "tip-adapter"}))
    assert project.run(ANALYSIS).rules == {"analyse"}
    shown = read(project).shown
    assert shown is not None
    assert shown.method == "tip-adapter"
