"""What rules ask of a scheduler, against the peak of jobs of two sizes.

Every job runs in a process of its own, which started cold. A job of a size in between asks for what
lies on the line through both, and so does its peak; both lines are compared where a job is as large
as is expected in use.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.memory.case import Case
from tests.memory.cases import CASES
from tests.memory.measure import measured
from tests.memory.rules import Rule, rules_with_jobs


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Rule]:
    return rules_with_jobs(tmp_path_factory.mktemp("planned"))


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder that is empty again at the end: some inputs have hundreds of MB."""
    yield tmp_path / "job"
    shutil.rmtree(tmp_path / "job", ignore_errors=True)


def test_every_rule_has_a_case(rules: dict[str, Rule]) -> None:
    assert {case.rule for case in CASES} == set(rules)


@pytest.mark.long
@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_job_keeps_within_what_its_rule_asks_for(
    case: Case, rules: dict[str, Rule], folder: Path
) -> None:
    found = measured(case, rules[case.rule], folder)
    assert all(had <= asked for asked, had in found.all_sizes), found.all_sizes
