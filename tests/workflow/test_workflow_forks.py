"""Jobs that start as forks make what jobs make that start by themselves."""

from collections import Counter
from pathlib import Path

import pytest

from susx.planning.imports import RULES
from tests.workflow.project import PACKAGES, RESULT, Project

pytestmark = pytest.mark.pipeline

NOTED = """
import os, sys

script = sys.orig_argv[-1]
if "/.snakemake/scripts/" in script:
    with open(os.environ["STARTS"], "a") as file:
        print(script.split(".")[-2], file=file)
"""
"""Runs first in every Python but forks."""


def outputs(project: Project) -> dict[str, bytes]:
    """Content of all caches and tables, by name."""
    names = [name for name in project.files("work", "cache") if not name.endswith(".json")]
    return {name: project.path(name).read_bytes() for name in names}


def test_forks_make_the_same(fresh_project: Project, tmp_path: Path) -> None:
    packages = fresh_project.path(PACKAGES)
    (packages / "sitecustomize.py").write_text(NOTED, "utf-8")
    projects = {"0": fresh_project.copy(tmp_path / "apart"), "1": fresh_project}
    started = {}
    for switch, project in projects.items():
        starts = tmp_path / f"starts-{switch}"
        env = {"HF_HUB_OFFLINE": "1", "SUSX_FORKS": switch, "STARTS": str(starts)}
        project.run(RESULT, env=env)
        started[switch] = Counter(starts.read_text("utf-8").split())
    forked = started["0"] - started["1"]
    assert started["1"] <= started["0"]
    assert {rule for rule in started["0"] if rule in RULES} == forked.keys()
    assert {"embed_images", "search_shard", "evaluate"} <= forked.keys()
    made = outputs(projects["0"])
    assert len(made) > 5
    assert outputs(fresh_project) == made
