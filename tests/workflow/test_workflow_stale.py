"""What is said of stale files, and what the rules tell of their outputs."""

import re

import pytest

from tests.workflow.project import REPO, RESULT, Project

pytestmark = pytest.mark.pipeline


def test_reasons_are_told(project: Project) -> None:
    classes = project.path("classes.txt").read_text("utf-8")
    project.path("classes.txt").write_text(classes.replace("apple", "apples"), "utf-8")

    output = project.plan("work/tiny/classes.json").output

    assert "stale: work/tiny/classes.json: classes.txt changed" in output


def test_every_rule_says_where_its_outputs_are_kept(finished: Project) -> None:
    rules = "".join(path.read_text("utf-8") for path in (REPO / "rules").glob("*.smk"))
    scripts = re.findall(r'"\.\./workflow_scripts/(\w+)\.py"', rules)
    assert len(scripts) == len(re.findall(r"^        kept=\w+,$", rules, re.MULTILINE)) > 30


def test_a_check_looks_anew_whenever_it_is_asked_for(project: Project) -> None:
    target = "check/tiny.json"
    project.run(target)
    before = project.read_json(target)
    project.path("images/test/café/new.png").write_bytes(b"no image")

    assert project.run(target).rules == {"check_dataset"}
    assert project.read_json(target) != before
    assert RESULT not in project.plan(target).made
