"""What is said of the order of tests is said of tests that there are."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.order import FIRST, TESTS, TOGETHER, scope

DISTRIBUTED = ("--dist", "loadscope", "--no-loadscope-reorder")


@pytest.mark.parametrize("start", sorted({*FIRST, *TOGETHER}))
def test_what_is_ordered_is_there(start: str) -> None:
    assert [*TESTS.glob(f"{start}*/test_*.py"), *TESTS.glob(f"{start}*.py")]


def test_a_worker_runs_what_shares_something() -> None:
    site = "tests/unit/project/test_site.py"
    assert (
        scope(f"{site}::test_links") == scope(f"{site}::test_more") == "unit/project/test_site.py"
    )
    assert scope("tests/slurm/test_slurm.py::test_a") == scope("tests/slurm/test_other.py::test_b")
    attack = "tests/workflow/test_workflow_attacks.py::test_a"
    assert scope(f"{attack}[1]") != scope(f"{attack}[2]")


def test_tests_of_a_file_are_run_by_one_worker(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]")
    for name in "abc":
        text = f"""
import os, pathlib, pytest
@pytest.mark.parametrize("number", range(6))
def test_{name}(number):
    with open(r"{tmp_path}/{name}", "a") as file:
        print(os.environ["PYTEST_XDIST_WORKER"], file=file)
"""
        (tmp_path / f"test_{name}.py").write_text(text)
    plugins = ["-p", "xdist", "-p", "tests.order"]
    command = [sys.executable, "-m", "pytest", *plugins, "-n", "2", *DISTRIBUTED]
    alone = {"PYTHONPATH": str(TESTS.parent), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    env = {**os.environ, **alone}
    done = subprocess.run([*command, str(tmp_path)], cwd=tmp_path, env=env, capture_output=True)
    assert done.returncode == 0, done.stdout
    workers = [(tmp_path / name).read_text().split() for name in "abc"]
    assert [len(each) for each in workers] == [6, 6, 6]
    assert all(len(set(each)) == 1 for each in workers)


def test_make_test_distributes_like_that() -> None:
    assert " ".join(DISTRIBUTED) in (TESTS.parent / "Makefile").read_text("utf-8")
