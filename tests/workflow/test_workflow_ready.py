"""What jobs need and lack is told before the first of them starts, and only if they would run."""

import pytest

from tests.workflow.attacks import python_startup
from tests.workflow.project import RESULT, Project

pytestmark = pytest.mark.pipeline


def test_what_is_made_already_needs_nothing(project: Project) -> None:
    without = python_startup(project.root / "startup", "import sys\nsys.modules['altair'] = None\n")

    done = project.attempt("--dry-run", RESULT, env=without)
    outcome = project.attempt("--dry-run", "results/report.html", env=without)

    assert (done.returncode, done.made) == (0, set()), done.output
    says = "rule summary: needs altair, which is not installed: pip install 'susx[report]'"
    assert outcome.returncode != 0
    assert says in outcome.output.splitlines()
    assert "Traceback" not in outcome.output
