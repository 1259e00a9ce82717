"""A run is followed by the records of Snakemake's logger."""

import logging
from io import FileIO
from pathlib import Path
from typing import Any

import pytest

from susx.progress.events import LONGEST
from susx.progress.files import FOLDER, last_file, read_run
from susx.progress.handler import RunHandler


class Followed:
    """A logger that a run is followed by."""

    def __init__(self, root: Path) -> None:
        self.handler = RunHandler(root, quiet=False, retries={"embed": 0}.__getitem__)
        self.logger = logging.Logger("snakemake")
        self.logger.addHandler(self.handler)

    def tell(self, event: str | None, **fields: Any) -> None:
        self.logger.info("words", extra={"event": event, **fields})

    def begin(self, job: int = 1, **wildcards: str) -> None:
        log = [f"logs/{job}.log"]
        names = {"rule_name": "embed", "wildcards": wildcards}
        self.tell("job_info", jobid=job, log=log, shellcmd="rm", **names)


@pytest.fixture
def followed(tmp_path: Path) -> Followed:
    return Followed(tmp_path)


def test_nothing_is_written_before_a_run_starts(followed: Followed, tmp_path: Path) -> None:
    followed.tell(None)
    followed.handler.close()
    assert list(tmp_path.iterdir()) == []


def test_memory_and_file_agree(followed: Followed, tmp_path: Path) -> None:
    followed.tell("workflow_started", cmd="snakemake --config key=1")
    followed.tell("run_info", stats={"embed": 2, "total": 2})
    followed.begin(1, shard="0")
    followed.begin(2, shard="1")
    followed.tell("job_finished", job_id=1)
    followed.tell("job_error", jobid=2, rule_msg=None, shellcmd="rm")
    followed.tell("progress", done=1, total=2)
    followed.handler.close()
    followed.handler.close()
    run = read_run(last_file(tmp_path))
    assert run == followed.handler.run
    assert [job.name for job in run.of("failed")] == ["embed (shard=1)"]
    assert last_file(tmp_path).read_text().count('"ended"') == 1


def test_texts_are_cut_and_hold_no_secrets(
    followed: Followed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_TOKEN", "a-long-secret-value")
    followed.tell("workflow_started")
    followed.begin(1, shard="x" * 10_000)
    followed.tell(
        "job_error", jobid=1, rule_msg="refused a-long-secret-value \x1b[2J" + "y" * 10_000
    )
    (job,) = followed.handler.run.of("failed")
    assert len(job.said) == len(job.wildcards["shard"]) == LONGEST
    assert job.said.startswith(r"refused *** \x1b[2J")
    assert "secret" not in last_file(tmp_path).read_text()


def test_a_folder_that_cannot_be_written_stops_no_run(
    followed: Followed, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / FOLDER.parent).write_text("in the way")
    followed.tell("workflow_started")
    followed.begin()
    followed.tell("job_finished", job_id=1)
    assert len(followed.handler.run.of("done")) == 1
    assert capfd.readouterr().err.count("susx progress will not know of this run: ") == 1


def test_a_file_that_cannot_be_written_on_stops_no_run(
    followed: Followed, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    followed.tell("workflow_started")
    assert followed.handler._file
    followed.handler._file = FileIO("/dev/full", "w")
    followed.begin()
    followed.tell("job_finished", job_id=1)
    followed.handler.close()
    assert len(followed.handler.run.of("done")) == 1
    assert "No space left" in capfd.readouterr().err


def test_records_of_another_shape_are_shown_and_stop_no_run(
    followed: Followed, capfd: pytest.CaptureFixture[str]
) -> None:
    followed.tell("workflow_started")
    followed.tell("job_info", number=1)
    followed.begin()
    assert len(followed.handler.run.of("begun")) == 1
    assert "AttributeError" in capfd.readouterr().err
