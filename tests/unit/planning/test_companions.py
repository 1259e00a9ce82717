"""Which jobs one process makes."""

from typing import Any

import pytest

from susx.artifacts.ground import Job
from susx.core.errors import InputError
from susx.planning import companions as module
from susx.planning.companions import companions
from susx.planning.loads import Load
from susx.planning.run import PlannedJob

SETUP: Any = None  # what the counts below are taken from


def job(rule: str, output: str, params: dict[str, Any] | None = None, **inputs: str) -> PlannedJob:
    named = {name: [path] for name, path in inputs.items()}
    return PlannedJob(Job(rule, named, {"output": output}, {"how": output, **(params or {})}))


def search(output: str, shard: str = "0", queries: str = "text", limit: int = 9) -> PlannedJob:
    params = {"shard": shard, "limit": limit}
    return job("search_shard", output, params, classes="c", queries=queries, pool=f"{shard}.h5")


def embed(output: str, model: str = "model", manifest: str = "m") -> PlannedJob:
    return job("embed_images", output, {"encoder": model}, manifest=manifest, model=model)


def names(jobs: list[PlannedJob]) -> list[list[str]]:
    return [[one.job.name for one in group] for group in companions(SETUP, jobs)]


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> dict[str, int | None]:
    """Images of the jobs by their outputs; an error for those that are not in it."""
    found: dict[str, int | None] = {}

    def load(setup: Any, planned: PlannedJob) -> Load:
        if planned.job.name not in found:
            raise InputError("no such folder")
        return Load(found[planned.job.name], "images")

    monkeypatch.setattr(module, "LOADS", dict.fromkeys(module.SMALL, load))
    return found


def test_searches_of_a_shard_are_made_together() -> None:
    jobs = [search("b", limit=5), search("a", queries="others"), search("c", shard="1")]
    assert names(jobs) == [["a", "b"]]


def test_other_rules_are_not_made_together() -> None:
    assert names([job("evaluate", "a", part="x"), job("evaluate", "b", part="x")]) == []


def test_searches_wait_for_each_other_whatever_makes_their_texts() -> None:
    texts = job("embed_support", "text", prompts="written"), job("describe_classes", "written")
    jobs = [*reversed(texts), search("a"), search("b", queries="there")]
    assert names(jobs) == [["a", "b"]]


def test_small_jobs_of_a_model_are_made_together(counts: dict[str, int | None]) -> None:
    counts |= {"a": 300, "b": 700, "c": 1, "d": 2, "e": 5000, "f": None}
    jobs = [embed(name) for name in "abcdefg"]
    assert names([*jobs, embed("other", "another model")]) == [["a", "b"], ["c", "d"]]


def test_small_jobs_are_made_apart_on_other_machines(counts: dict[str, int | None]) -> None:
    counts |= dict.fromkeys("ab", 1)
    jobs = [embed("a"), embed("b"), search("c"), search("d")]
    assert [len(group) for group in companions(SETUP, jobs, is_remote=True)] == [2]


def test_small_jobs_do_not_wait_for_other_kinds_of_jobs(counts: dict[str, int | None]) -> None:
    counts |= dict.fromkeys("abc", 1)
    waiting = job("download_dataset", "fetched"), job("image_manifest", "m", images="fetched")
    assert names([*waiting, embed("a"), embed("b", manifest="n"), embed("c")]) == [["a", "c"]]
