"""Kills at random moments, a full and a read-only disk, two runs at once, a clock that jumps."""

import os
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash import Killed
from tests.workflow.project import Project, assert_same_outputs, cache_contents

pytestmark = pytest.mark.pipeline

PART = "work/tiny/support/lc/manifest.parquet"


def test_killed_runs_end_in_the_files_of_an_undisturbed_one(
    finished: Project, fresh_project: Project
) -> None:
    killed = Killed(fresh_project, random.Random(4))
    struck = [killed.kill_once() for _ in range(3)]
    killed.finish()
    assert sum(struck) >= 2
    assert killed.record.redone == []
    assert max(killed.record.running) <= 2
    assert_same_outputs(finished, fresh_project)


def test_a_second_run_in_the_same_folder_is_refused_and_disturbs_nothing(
    finished: Project, fresh_project: Project
) -> None:
    first = subprocess.Popen(
        fresh_project.command(PART),
        cwd=fresh_project.root,
        env=fresh_project.environment({"HF_HUB_OFFLINE": "1"}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert first.stdout is not None
    for line in first.stdout:
        if line.startswith(("rule ", "localrule ")):
            break
    second = fresh_project.attempt(PART)
    output, _ = first.communicate(timeout=300)
    assert first.returncode == 0, output
    assert second.returncode != 0
    assert "is locked: another run is at work here" in second.output
    assert second.jobs == []
    assert_same_outputs(finished, fresh_project, part=True)
    assert fresh_project.path(PART).exists()


def test_a_clock_that_jumps_changes_no_result(finished: Project, fresh_project: Project) -> None:
    """Half of what is there seems to be of tomorrow, half of yesterday."""
    fresh_project.kill_midway("cache/clip/*/*.h5", PART)
    fresh_project.run("--unlock")
    for number, name in enumerate(sorted(fresh_project.files("work", "cache"))):
        path = fresh_project.path(name)
        time = path.stat().st_mtime + (86400 if number % 2 else -86400)
        os.utime(path, (time, time))
    if (outcome := fresh_project.attempt(PART)).returncode:
        assert "could indicate a clock skew" in outcome.output  # a job read a file of tomorrow
        for name in fresh_project.files("work", "cache"):
            fresh_project.path(name).touch()
        fresh_project.run(PART)
    assert_same_outputs(finished, fresh_project, part=True)
    assert fresh_project.path(PART).exists()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own; `mount -o remount` changes it."""
    disk = tmp_path / "disk"
    disk.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=40k", "none", str(disk)],
        capture_output=True,
        text=True,
    )
    if made.returncode:
        pytest.skip(f"no disk can be mounted here: {made.stderr.strip()}")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def remount(disk: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(disk)], check=True)


def test_a_full_and_a_read_only_disk_lose_nothing_that_was_finished(
    finished: Project, fresh_project: Project, small_disk: Path
) -> None:
    project = fresh_project
    project.change_config(lambda config: config.update(roots={"cache": str(small_disk)}))
    full = project.attempt(PART, "--keep-going", "--cores", "1")  # two would fill it together
    assert full.returncode != 0
    assert "cannot be written (No space left on device); make room and run again" in full.output
    kept = {path.name for path in small_disk.glob("clip/**/*.h5")}
    assert kept
    assert not [path for path in small_disk.rglob(".*.h5*")]

    remount(small_disk, "ro")
    locked = project.attempt(PART, "--keep-going")
    assert locked.returncode != 0
    assert "Read-only file system" in locked.output

    remount(small_disk, "rw,size=50m")
    done = project.run(PART)
    assert not {Path(path).name for path in done.made} & kept
    made = [path.relative_to(small_disk) for path in small_disk.glob("clip/**/*.h5")]
    assert len(made) == 3
    for path in made:
        expected = cache_contents(finished.path("cache") / path)
        assert cache_contents(small_disk / path) == expected, path
    assert list((small_disk / "store/tmp/parts").iterdir()) == []
