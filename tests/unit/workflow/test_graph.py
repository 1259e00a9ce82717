"""What `susx.workflow.graph` touches of Snakemake's inside is there in the pinned version."""

import ast
import inspect
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import snakemake
import snakemake.api  # its modules import each other, and this one is the way in
from snakemake.dag import DAG
from snakemake.io import _IOFile
from snakemake.workflow import Workflow

from susx.workflow import graph
from tests import warm

ROOT = Path(__file__).parents[3]
OBJECTS = ("workflow", "dag", "job")
"""Names of Snakemake's objects in the module."""

SNAKEFILE = """
import json, operator, sys
from types import SimpleNamespace

sys.path.insert(0, config["root"])
from susx.core.errors import InputError
from susx.planning.run import Decision
from susx.workflow.graph import decide_before_jobs


def is_lacking(name):
    job = next(job for job in workflow.dag.jobs if job.rule.name == "copy")
    try:
        operator.attrgetter(name)(SimpleNamespace(workflow=workflow, dag=workflow.dag, job=job))
    except AttributeError:
        return True


def decide(run):
    facts = dict(vars(run), lacking=[*filter(is_lacking, config["names"])])
    facts["jobs"] = [[job.rule, dict(job.names), job.outputs] for job in run.jobs]
    with open("facts.json", "w") as file:
        json.dump(facts, file, default=sorted)
    return Decision(dict.fromkeys(config["stale"], "changed"))


def require(rules, wishes):
    raise InputError(f"{rules.forms} {wishes}")


rule all:
    input: "end.txt", "other.txt"

rule copy:
    input: "made.txt"
    output: "{name}.txt"
    params: kept=None
    wildcard_constraints: name="end|other"
    shell: "cat {input} > {output}"

rule make:
    output: "made.txt"
    params: kept=None
    shell: "echo made > {output}"

decide_before_jobs(workflow, decide, require)
"""


def touched() -> list[str]:
    """Attributes of Snakemake's objects that the module reads or writes, as dotted names."""
    found = set()
    for node in ast.walk(ast.parse(inspect.getsource(graph))):
        names, value = [], node
        while isinstance(value, ast.Attribute):
            names.append(value.attr)
            value = value.value
        if names and isinstance(value, ast.Name) and value.id in OBJECTS:
            found.add(".".join([value.id, *reversed(names)]))
    return sorted(found)


def call(folder: Path, stale: list[str], *options: str) -> tuple[str, dict[str, Any]]:
    """Run the small workflow; return what Snakemake says, and what it was asked."""
    config = {"stale": stale, "names": touched(), "root": str(ROOT)}
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    (folder / "Snakefile").write_text(SNAKEFILE, "utf-8")
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "--configfile", "config.json"]
    done = subprocess.run(
        [*command, *options],
        cwd=folder,
        env=warm.environment(warm.clean_environment()),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout, json.loads((folder / "facts.json").read_text("utf-8"))


def rules_of(said: str) -> list[str]:
    """Rules whose jobs ran, in order."""
    return [rule for rule in re.findall(r"^(?:local)?rule (\w+):$", said, re.M) if rule != "all"]


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A folder in which all was made."""
    call(tmp_path, ["made.txt", "end.txt", "other.txt"])
    return tmp_path


def test_what_is_touched_is_there(tmp_path: Path) -> None:
    facts = call(tmp_path, [], "--dry-run")[1]
    assert len(touched()) > 10
    assert facts["lacking"] == [], (
        f"Snakemake {snakemake.__version__} lacks what susx/workflow/graph.py touches; look there "
        "before another version is pinned"
    )


def test_a_run_is_told_in_plain_values(tmp_path: Path) -> None:
    facts = call(tmp_path, [], "--dry-run")[1]
    copies = [["copy", {"name": name}, [f"{name}.txt"]] for name in ("end", "other")]
    first, *others = facts["jobs"]
    assert first == ["make", {}, ["made.txt"]]
    assert sorted(others, key=str) == copies
    assert facts["wanted"] == ["end.txt", "other.txt"]
    assert facts["read"] == ["end.txt", "made.txt", "other.txt"]
    flags = ("is_dry", "is_locked", "is_partial", "touches", "reports", "deploys")
    assert [name for name in flags if facts[name]] == ["is_dry"]


def test_nothing_runs_but_what_is_stale(made: Path) -> None:
    (made / "made.txt").write_text("newer\n")
    assert "Nothing to be done" in call(made, [])[0]
    (made / "made.txt").unlink()
    assert "Nothing to be done" in call(made, [])[0]
    (made / "end.txt").write_text("kept\n")
    said = call(made, ["made.txt", "other.txt"])[0]
    assert "stale: other.txt: changed" in said
    assert rules_of(said) == ["make", "copy"]
    assert (made / "end.txt").read_text() == "kept\n"
    assert rules_of(call(made, ["end.txt"])[0]) == ["copy"]
    assert (made / "end.txt").read_text() == "made\n"


def test_the_decision_falls_where_snakemake_has_all_jobs_and_no_reasons_yet() -> None:
    assert "self.dag.init()" in inspect.getsource(Workflow._build_dag)
    assert "await self.update_needrun(create_inventory=True)" in inspect.getsource(DAG.init)
    assert inspect.iscoroutinefunction(DAG.update_needrun)
    needed = inspect.getsource(DAG.update_needrun)
    assert "self.forcefiles.isdisjoint(job.output)" in needed
    assert "f.is_ancient and await f.exists()" in needed
    assert 'is_flagged(self._file, "ancient")' in inspect.getsource(_IOFile.is_ancient.fget)


def test_private_parts_are_touched_in_one_place() -> None:
    private = ("_build_dag", "update_needrun", "forcefiles", "depending", "iocache")
    files = [ROOT / "Snakefile", *ROOT.glob("rules/*.smk"), *ROOT.rglob("susx/**/*.py")]
    places = {
        path.relative_to(ROOT).as_posix()
        for path in files
        if any(name in path.read_text("utf-8") for name in private)
    }
    assert places == {"susx/workflow/graph.py"}
