"""Jobs that are made along with one that reads the same."""

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import chdir
from pathlib import Path

import pytest

from susx.artifacts.companions import companions_of, note_companions
from susx.artifacts.ground import Job, Storage
from susx.artifacts.making import Paths, make, make_together
from susx.core.errors import InputError
from tests.artifact_world import STAGES, World

KEPT = Storage("work", ["work/store", "cache/store"])


@pytest.fixture
def shards(tmp_path: Path) -> Iterator[list[Job]]:
    """Two jobs of one stage whose outputs are to be made, in their folder."""
    world = World(tmp_path / "world").write_sources()
    world.run()
    with chdir(world.root):
        jobs = [job for job in world.jobs if job.stage == "embed_shard"]
        shutil.rmtree("cache/store/embed_shard")
        yield jobs


def embed(members: Sequence[tuple[Job, Paths]]) -> None:
    for job, paths in members:
        STAGES["embed_shard"](paths, job.settings)


def refuse(paths: Paths) -> None:
    raise AssertionError("nothing is to be made")


def output(job: Job) -> str:
    return str(json.loads(Path(job.name).read_text("utf-8")))


def test_the_second_job_finds_what_the_first_made_for_it(shards: list[Job]) -> None:
    first, second = shards
    for job in shards:
        make(job, lambda paths, job=job: STAGES["embed_shard"](paths, job.settings))
    alone = [output(job) for job in shards]
    shutil.rmtree("cache/store/embed_shard")

    make_together(first, [second], embed)
    make(second, refuse)

    assert [output(job) for job in shards] == alone
    assert not list(Path("cache/store/tmp").rglob("*.json"))


def test_what_is_there_is_made_for_nobody(shards: list[Job]) -> None:
    first, second = shards
    made: list[list[Job]] = []

    def noting(members: Sequence[tuple[Job, Paths]]) -> None:
        made.append([job for job, _ in members])
        embed(members)

    make_together(first, [], noting)
    make_together(first, [second], noting)  # the first is there, the second is not
    make_together(first, [second], noting)  # and has been handed over since
    make(second, refuse)
    make_together(first, [second], noting)
    assert made == [[first], [second]]


def test_what_was_made_from_other_files_is_not_taken(shards: list[Job]) -> None:
    first, second = shards
    make_together(first, [second], embed)
    source = Path(second.inputs["shard"][0])
    text = source.read_text("utf-8")
    source.write_text("another shard", "utf-8")
    source.write_text(text, "utf-8")  # the same, but written meanwhile
    made = []

    def note(paths: Paths) -> None:
        made.append(second)
        STAGES["embed_shard"](paths, second.settings)

    make(second, note)
    assert made == [second]


def test_a_companion_that_cannot_be_made_is_left_to_its_own_job(
    shards: list[Job], caplog: pytest.LogCaptureFixture
) -> None:
    first, second = shards
    Path(second.inputs["shard"][0]).unlink()
    make_together(first, [second], embed)
    assert output(first)
    assert "left to its own job: pool/1.tar: not found; run again" in caplog.text
    with pytest.raises(InputError, match=r"pool/1\.tar: not found"):
        make(second, refuse)


def test_nothing_is_handed_over_where_the_work_fails(shards: list[Job]) -> None:
    first, second = shards

    def fail(members: Sequence[tuple[Job, Paths]]) -> None:
        embed(members)
        raise InputError("a broken shard")

    with pytest.raises(InputError, match="a broken shard"):
        make_together(first, [second], fail)
    assert not list(Path("cache/store/tmp").rglob("*.json"))
    make(second, lambda paths: STAGES["embed_shard"](paths, second.settings))


def test_companions_are_those_of_the_last_plan(shards: list[Job]) -> None:
    first, second = shards
    assert companions_of(first) == []
    note_companions(KEPT, [shards])
    assert companions_of(first) == [second]
    assert companions_of(second) == []
    note_companions(KEPT, [])
    assert companions_of(first) == []
