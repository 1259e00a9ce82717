"""What the decision of stale files needs of Snakemake, and what it says."""

import inspect
import re

import pytest
import snakemake.api  # noqa: F401  (its modules import each other, and this one is the way in)
from snakemake.dag import DAG
from snakemake.io import _IOFile
from snakemake.workflow import Workflow

from tests.workflow.project import REPO, RESULT, Project

pytestmark = pytest.mark.pipeline


def test_snakemake_still_has_what_is_used_of_its_inside() -> None:
    """Only susx/workflow/graph.py uses it; an upgrade that changes it is noticed here."""
    assert "self.dag.init()" in inspect.getsource(Workflow._build_dag)
    assert "await self.update_needrun(create_inventory=True)" in inspect.getsource(DAG.init)
    assert inspect.iscoroutinefunction(DAG.update_needrun)
    needed = inspect.getsource(DAG.update_needrun)
    assert "self.forcefiles.isdisjoint(job.output)" in needed
    assert "f.is_ancient and await f.exists()" in needed
    assert 'is_flagged(self._file, "ancient")' in inspect.getsource(_IOFile.is_ancient.fget)
    made = inspect.getsource(DAG.__init__)
    assert {"dependencies", "targetjobs", "targetfiles"} <= {
        *re.findall(r"self\._?(\w+)", made), *dir(DAG)
    }  # fmt: skip


def test_private_parts_are_touched_in_one_place() -> None:
    for path in [*REPO.glob("rules/*.smk"), REPO / "Snakefile", *REPO.rglob("susx/**/*.py")]:
        touched = re.findall(r"\b(?:workflow|dag)\.(_\w+|forcefiles|depending)", path.read_text())
        assert not touched or path.name == "graph.py", (path, touched)


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
