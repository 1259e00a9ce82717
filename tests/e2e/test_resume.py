"""A run that was killed and resumed ends in the same files as another run from scratch."""

import pytest

from tests.workflow.project import RESULT, Project, assert_same_outputs

pytestmark = pytest.mark.pipeline


def test_a_killed_run_resumes_to_the_same_result(finished: Project, fresh_project: Project) -> None:
    fresh_project.kill_midway("cache/clip/*/*.h5", RESULT)
    kept = fresh_project.files("work", "cache")
    assert not fresh_project.path(RESULT).exists()

    refused = fresh_project.attempt(RESULT)
    assert "--unlock" in refused.output
    fresh_project.run("--unlock")
    resumed = fresh_project.run(RESULT)

    assert any(path.endswith(".h5") for path in kept)
    assert kept - resumed.made
    # Nearly everything was made twice, from scratch: equal files also mean repeatable runs.
    assert_same_outputs(finished, fresh_project)
