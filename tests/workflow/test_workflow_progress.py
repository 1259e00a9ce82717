"""What `susx progress` reads is what Snakemake writes."""

from collections import Counter
from datetime import datetime

import pytest

from susx.progress.estimate import estimate, timed
from susx.progress.run import newest_log, read_run
from tests.workflow.project import Project

pytestmark = pytest.mark.pipeline


def test_a_finished_run_is_read_in_full(finished: Project) -> None:
    log = newest_log(finished.root)
    with log.open() as lines:
        run = read_run(lines)

    assert run.ended
    assert run.done == run.total == len(run.of("done")) == sum(run.planned.values())
    assert Counter(job.rule for job in run.jobs.values()) == run.planned
    for job in run.jobs.values():
        assert finished.path(job.log).exists()
        assert finished.path(job.benchmark).exists()
        assert job.wildcards and job.ended and job.ended >= job.begun
        assert timed(finished.root, job.rule)


def test_a_run_is_read_while_it_goes_on(finished: Project) -> None:
    lines = newest_log(finished.root).read_text("utf-8").splitlines()
    cut = next(i for i, line in enumerate(lines) if "rule evaluate:" in line) + 7

    run = read_run(iter(lines[:cut]))

    assert not run.ended
    assert [job.rule for job in run.of("begun")] == ["evaluate"]
    assert run.total - run.done == 2  # evaluate, collate
    left = estimate(run, run.of("begun")[0].begun, {}, {"evaluate": 10.0, "collate": 2.0})
    assert left.untimed == 0
    assert 0 < left.seconds <= 12
    assert isinstance(run.began, datetime)


def test_a_failed_job_is_found(fresh_project: Project) -> None:
    fresh_project.path("classes.txt").write_text("zebra\nzebra\n", "utf-8")
    fresh_project.attempt("work/tiny/classes.json")

    with newest_log(fresh_project.root).open() as lines:
        run = read_run(lines)

    assert run.ended
    assert [job.rule for job in run.of("failed")] == ["class_manifest"]
