"""What `susx progress` reads of runs of the pipeline."""

from collections import Counter

import pytest

from susx.progress.estimate import estimate_left, timed
from susx.progress.events import EVENT, JobInfo
from susx.progress.files import last_file, read_run
from susx.progress.run import RunState
from tests.workflow.project import Project

pytestmark = pytest.mark.pipeline


def test_a_finished_run_is_read_in_full(finished: Project) -> None:
    run = read_run(last_file(finished.root))

    assert run.state == "ended"
    assert len(run.of("done")) == run.total
    assert Counter(job.rule for job in run.jobs.values()) == run.planned
    for job in run.jobs.values():
        assert finished.path(job.log).exists()
        assert job.values and job.ended and job.ended >= job.begun
        assert timed(finished.root, job.rule)


def test_a_run_is_read_while_it_goes_on(finished: Project) -> None:
    run = RunState()
    for line in last_file(finished.root).open():
        event = EVENT.validate_json(line)
        run.take(event)
        if isinstance(event, JobInfo) and event.rule == "evaluate":
            break

    assert run.state == "at work"
    assert [job.rule for job in run.of("begun")] == ["evaluate"]
    assert run.total - len(run.of("done")) == 2  # evaluate, collate
    left = estimate_left(run, run.of("begun")[0].begun, {}, {"evaluate": 10.0, "collate": 2.0})
    assert left.untimed == 0
    assert 0 < left.seconds <= 12


def test_a_failed_job_is_found(fresh_project: Project) -> None:
    fresh_project.path("classes.txt").write_text("zebra\nzebra\n", "utf-8")
    fresh_project.attempt("work/tiny/classes.json")

    run = read_run(last_file(fresh_project.root))

    assert run.state == "ended"
    assert [job.rule for job in run.of("failed")] == ["class_manifest"]
