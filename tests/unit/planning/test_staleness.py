"""What a run makes again, and when it cannot go on."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from susx.artifacts.ground import Job, Storage
from susx.core.errors import InputError
from susx.planning.run import PlannedJob, RunJobs
from susx.planning.setup import Setup
from susx.planning.staleness import ONCE, SHOWN_REASONS, decide, drop_dangling_links, stale_lines
from tests.planned_world import setup_of

OUTPUT = "work/tiny/classes.json"
WHY = "not there, or not made by this pipeline"
LACKING = {OUTPUT: WHY}


def planned(setup: Setup, kept: object = "own", **params: Any) -> PlannedJob:
    """The job that makes a class manifest."""
    own = Storage(setup.work, setup.stores) if kept == "own" else None
    inputs, outputs = {"": ["classes.txt"]}, {"output": OUTPUT}
    job = Job("class_manifest", inputs, outputs, {"kept": kept, **params}, own)
    return PlannedJob(job, {"dataset": "tiny"})


def run_of(*jobs: PlannedJob, **how: Any) -> RunJobs:
    """A run that is asked for the class manifest."""
    return RunJobs(list(jobs), {"classes.txt", OUTPUT}, {OUTPUT}, **how)


def make() -> None:
    """Write the class manifest."""
    Path(OUTPUT).parent.mkdir(parents=True)
    Path(OUTPUT).write_text("{}", "utf-8")


def refusal(setup: Setup, run: RunJobs) -> str:
    """What is said of a run that cannot go on."""
    with pytest.raises(InputError) as caught:
        decide(setup, run)
    return str(caught.value)


def test_what_is_not_there_is_made_and_a_dry_run_writes_nothing(setup: Setup) -> None:
    before = {*Path().rglob("*")}
    assert decide(setup, run_of(planned(setup), is_dry=True)).stale == LACKING
    assert {*Path().rglob("*")} == before
    assert decide(setup, run_of(planned(setup), is_locked=True)).stale == LACKING
    assert {*Path().rglob("*")} == before
    decide(setup, run_of(planned(setup)))
    assert Path("work/memory/runs").exists()


def test_what_is_made_once_is_a_source_from_then_on(setup: Setup) -> None:
    assert OUTPUT in decide(setup, run_of(planned(setup, ONCE), is_dry=True)).stale
    make()
    assert decide(setup, run_of(planned(setup, ONCE), is_dry=True)).stale == {}


def test_jobs_that_would_run_have_to_be_ready() -> None:
    setup = setup_of(lambda c: c["encoders"]["clip"].update(library="open-clip"))
    job = dataclasses.replace(planned(setup).job, stage="embed_text")
    run = run_of(PlannedJob(job, {"encoder": "clip"}), is_dry=True, deploys=True)
    assert "set `library: transformers`" in refusal(setup, run)
    with pytest.raises(InputError, match="run without --report first"):
        decide(setup, dataclasses.replace(run, reports=True))


def test_times_are_not_touched(setup: Setup) -> None:
    assert refusal(setup, run_of(touches=True)).startswith("--touch: content decides")


def test_a_file_of_the_pipeline_without_a_job_is_no_source(setup: Setup) -> None:
    assert decide(setup, run_of(is_dry=True)).stale == {}
    make()
    receipt = Storage(setup.work, setup.stores).receipt_file(OUTPUT)
    receipt.parent.mkdir(parents=True)
    receipt.touch()
    says = f"config.yaml: {OUTPUT} was made before, but cannot be made from what is named now"
    assert refusal(setup, run_of(is_dry=True)).startswith(says)
    assert refusal(setup, run_of(is_dry=True, is_partial=True)) == (
        f"--allowed-rules leaves out the rule that makes {OUTPUT}; add it"
    )


def test_a_report_holds_nothing_stale(setup: Setup) -> None:
    run = run_of(planned(setup), is_dry=True, reports=True)
    says = f"{OUTPUT}: has to be made again ({WHY}); run without --report first"
    assert refusal(setup, run) == says
    always = run_of(planned(setup, None), is_dry=True, reports=True)
    assert OUTPUT in decide(setup, always).stale


def test_links_to_objects_that_are_gone_are_removed(setup: Setup) -> None:
    kept, output = Storage(setup.work, setup.stores), Path(OUTPUT)
    output.parent.mkdir(parents=True)
    key = "0" * 64
    output.symlink_to(Path(f"work/store/class_manifest/{key}/output.json").absolute())
    assert drop_dangling_links([planned(setup)], kept) == [OUTPUT]
    assert not output.is_symlink()
    output.symlink_to("elsewhere")
    assert drop_dangling_links([planned(setup)], kept) == []


def test_reasons_are_told_of_what_was_there(setup: Setup) -> None:
    make()
    assert [*stale_lines({OUTPUT: "classes.txt changed", "nowhere": "x"})] == [
        f"stale: {OUTPUT}: classes.txt changed"
    ]
    assert [*stale_lines({OUTPUT: ""})] == []
    many = [Path(f"{number:02d}") for number in range(SHOWN_REASONS + 2)]
    for path in many:
        path.touch()
    lines = [*stale_lines({str(path): "changed" for path in many})]
    assert lines[-1] == "stale: and 2 more files" and len(lines) == SHOWN_REASONS + 1
