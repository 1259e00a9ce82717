"""The log events of Snakemake that a run is followed by come, and have the fields that are used."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from susx.progress.files import FOLDER, is_locked, last_file, read_run
from tests import warm
from tests.waiting import until
from tests.warm import clean_environment
from tests.workflow.project import REPO

pytestmark = pytest.mark.pipeline

SNAKEFILE = f"""
def print_results():
    print("printed results")

include: "{REPO}/rules/ends.smk"

rule all:
    input: "a/1", "a/2", "b"

rule a:
    output: "a/{{n}}"
    log: "logs/a/{{n}}.log"
    group: "pair"
    shell: "echo > {{log}}; test ! -e fail{{wildcards.n}} && touch {{output}}"

rule b:
    output: "b"
    shell: "test -e wait && touch waiting && sleep 60; test -e lose || touch {{output}}"
"""
CLUSTER = ("--executor", "besides", "--jobs", "2", "--seconds-between-status-checks", "1")
EXECUTOR = Path(__file__).parent / "executor"
HIDDEN = "a-long-secret-value"


class Tiny:
    """A workflow of four jobs, in a folder of its own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "Snakefile").write_text(SNAKEFILE, "utf-8")

    def start(self, *arguments: str, is_warm: bool = True) -> subprocess.Popen[str]:
        """Call Snakemake, and do not wait for it; a cold process gets the signals itself."""
        command = [sys.executable, "-m", "snakemake", "--cores", "2", "--keep-going", *arguments]
        paths = [REPO, EXECUTOR] if "--executor" in arguments else [REPO]
        env = {**clean_environment(), "HF_HUB_OFFLINE": "1", "SOME_API_KEY": HIDDEN}
        env["PYTHONPATH"] = os.pathsep.join(map(str, paths))
        return subprocess.Popen(
            command,
            cwd=self.root,
            env=warm.environment(env) if is_warm else env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def call(self, *arguments: str) -> tuple[int, str]:
        """Call Snakemake; its exit status and output."""
        process = self.start(*arguments)
        output, _ = process.communicate(timeout=120)
        return process.returncode, output

    @contextmanager
    def at_work(self) -> Iterator[subprocess.Popen[str]]:
        """A run whose job `b` waits; killed at the end."""
        (self.root / "wait").touch()
        process = self.start("b", is_warm=False)
        try:
            until((self.root / "waiting").exists)
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            (self.root / "wait").unlink()

    @property
    def files(self) -> list[Path]:
        """Files of events."""
        return sorted((self.root / FOLDER).glob("*.jsonl"))

    @property
    def events(self) -> list[str]:
        """Kinds of the events of the last run, in order."""
        return [json.loads(line)["event"] for line in last_file(self.root).open()]


@pytest.fixture
def tiny(tmp_path: Path) -> Tiny:
    return Tiny(tmp_path)


def test_all_that_a_run_does_is_told(tiny: Tiny) -> None:
    status, output = tiny.call()

    assert status == 0, output
    run = read_run(last_file(tiny.root))
    assert (run.state, run.total, run.planned) == ("ended", 4, {"a": 2, "b": 1, "all": 1})
    assert sorted((job.rule, job.values, job.log) for job in run.of("done")) == [
        ("a", "n=1", "logs/a/1.log"),
        ("a", "n=2", "logs/a/2.log"),
        ("all", "", ""),
        ("b", "", ""),
    ]
    assert tiny.events[:2] == ["workflow_started", "run_info"]
    assert tiny.events[-2:] == ["job_finished", "ended"]
    assert "printed results" in output


def test_a_job_is_tried_again_before_it_counts_as_failed(tiny: Tiny) -> None:
    (tiny.root / "fail2").touch()

    status, output = tiny.call("--retries", "1")

    assert status != 0
    run = read_run(last_file(tiny.root))
    ((failed),) = run.of("failed")
    assert (failed.name, failed.attempt, failed.retries) == ("a (n=2)", 2, 1)
    assert tiny.events.count("job_error") == 2
    assert {job.rule for job in run.of("done")} == {"a", "b"}
    assert "1 job failed:\na (n=2): no error in its log; killed" in output
    assert "  log: logs/a/2.log" in output


def test_a_job_that_leaves_no_output_is_told_at_the_end(tiny: Tiny) -> None:
    (tiny.root / "lose").touch()

    _, output = tiny.call("--latency-wait", "0", "b")

    assert [job.rule for job in read_run(last_file(tiny.root)).of("unfinished")] == ["b"]
    assert "1 job did not finish, see above: b ()" in output


def test_of_a_group_on_a_cluster_all_is_told(tiny: Tiny) -> None:
    (tiny.root / "fail2").touch()

    _, output = tiny.call(*CLUSTER, "--group-components", "pair=2")

    (file,) = tiny.files  # the jobs, each a call of Snakemake, tell of nothing
    run = read_run(file)
    assert [job.rule for job in run.of("done")] == ["b"]
    failed = run.of("failed")
    assert sorted(job.name for job in failed) == ["a (n=1)", "a (n=2)"]
    assert [job.group for job in failed] == [tuple(sorted(job.id for job in failed))] * 2
    assert "2 jobs failed:" in output


def test_what_the_executor_says_of_a_failure_is_told(tiny: Tiny) -> None:
    (tiny.root / "lose").touch()

    _, output = tiny.call(*CLUSTER, "--latency-wait", "0", "b")

    (failed,) = read_run(last_file(tiny.root)).of("failed")
    assert failed.said.startswith("status is: '1'. ")
    assert "b (): no error in its log; status is: '1'. " in output


def test_a_dry_run_writes_nothing(tiny: Tiny) -> None:
    for look in ("--dry-run", "--list-rules", "--summary", "--lint"):
        tiny.call(look)
    assert tiny.files == []


@pytest.mark.parametrize("quiet", ["progress", "rules", "all"])
def test_a_quiet_run_is_told_as_well(tiny: Tiny, quiet: str) -> None:
    tiny.call("--quiet", quiet)
    run = read_run(last_file(tiny.root))
    assert run.quiet == (quiet == "progress")
    assert len(run.of("done")) == 4


def test_every_run_has_a_file_and_the_last_one_is_read(tiny: Tiny) -> None:
    (tiny.root / "fail1").touch()
    tiny.call()
    (tiny.root / "fail1").unlink()
    tiny.call()

    assert len(tiny.files) == 2
    assert [job.name for job in read_run(last_file(tiny.root)).of("done")] == ["a (n=1)", "all ()"]
    tiny.call()
    assert tiny.events == ["workflow_started", "ended"]  # nothing to be done


def test_a_run_at_work_is_told_from_one_that_was_killed(tiny: Tiny) -> None:
    with tiny.at_work():
        file = last_file(tiny.root)
        assert is_locked(file)
        assert read_run(file).state == "at work"
        refused, _ = tiny.call("b")  # by the lock of the folder
        assert refused != 0
        assert len(tiny.files) == 2
        assert last_file(tiny.root) == file

    run = read_run(file)
    assert run.state == "broken off"
    assert [job.rule for job in run.of("unfinished")] == ["b"]


def test_a_run_that_is_interrupted_ends(tiny: Tiny) -> None:
    # Tests in the background of a shell ignore it, and what they start does.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with tiny.at_work() as process:
        os.killpg(process.pid, signal.SIGINT)
        process.wait(timeout=300)  # a hang; a busy machine takes a minute
        run = read_run(last_file(tiny.root))
    assert run.state == "ended"
    assert run.of("done") == []


def test_a_file_holds_no_more_than_is_named(tiny: Tiny) -> None:
    (tiny.root / "fail2").touch()
    tiny.call("--config", f"hidden={HIDDEN}")

    text = last_file(tiny.root).read_text("utf-8")
    assert HIDDEN not in text
    assert "Snakefile" not in text and "echo" not in text
    assert {key for line in text.splitlines() for key in json.loads(line)} == {
        *("event", "time", "host", "quiet", "jobs", "job", "rule", "wildcards", "log"),
        *("retries", "said", "succeeded"),
    }
