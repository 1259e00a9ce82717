"""How much the jobs of a planned project have to do."""

from typing import Any

import pytest

from susx.artifacts.ground import Job, Storage
from susx.planning.loads import PATCHES, START, Load, load_of
from susx.planning.run import PlannedJob
from susx.planning.setup import Setup
from tests.planned_world import NAMES, setup_of

OF_TINY = {"dataset": "tiny", "split": "test", "strategy": "photo", "encoder": "clip"}
CLASSES = len(NAMES)


def load(setup: Setup, rule: str, **names: Any) -> Load:
    kept = Storage(setup.work, setup.stores, setup.stores[1])
    job = Job(rule, {}, {"output": f"{rule}.out"}, {}, kept)
    return load_of(setup, PlannedJob(job, {**OF_TINY, **names}))


@pytest.mark.parametrize(
    ("rule", "names", "n", "unit"),
    [
        ("prompts", {}, CLASSES, "texts"),
        ("image_manifest", {}, 1, "images"),
        ("list_unlabelled", {"dataset": "plain", "split": "unlabelled"}, 1, "images"),
        ("download_dataset", {}, 1, "images"),
        ("embed_text", {}, CLASSES, "texts"),
        ("embed_images", {}, 1, "images"),
        ("embed_patches", {}, 1, "images"),
        ("embed_support", {"support": "lc"}, 3 * CLASSES, "images"),
        ("embed_shard", {"pool": "web", "shard": "000"}, None, "images"),
        ("search_shard", {"support": "lc", "shard": "000"}, None, ""),
        ("query_service", {"support": "service"}, CLASSES, "texts"),
        ("evaluate", {}, 1, "images"),
        ("analyse", {}, 0, ""),
    ],
)
def test_jobs_do_as_much_as_the_project_has(
    setup: Setup, rule: str, names: dict[str, str], n: int | None, unit: str
) -> None:
    found = load(setup, rule, **names)
    assert (found.n, found.unit) == (n, unit)
    embeds = rule.startswith("embed_")
    assert (found.model == "encoder", bool(found.flops), found.gpu) == (embeds,) * 3
    assert (found.start >= START) is (embeds or rule in ("evaluate", "analyse"))


def test_bytes_of_caches_follow_from_what_is_stored() -> None:
    whole, half = (
        setup_of(lambda config, width=width: config["encoders"]["clip"].update(store=width))
        for width in ("float32", "float16")
    )
    wide, narrow = (load(setup, "embed_images").size for setup in (whole, half))
    patches = load(half, "embed_patches").size  # always halves
    dimension = (wide - narrow) / 2
    assert patches == PATCHES * 2 * dimension
    assert load(whole, "embed_patches").size == patches


def test_a_joined_set_has_the_bytes_of_its_chunks(setup: Setup) -> None:
    joined = load(setup, "join_chunks", support="drawn")
    assert joined.n == setup.synthesised["drawn"].size * CLASSES
    chunks = [load(setup, "synthesise", support="drawn", chunk=f"{c:05d}") for c in range(2)]
    assert sum(chunk.n or 0 for chunk in chunks) == joined.n
    assert {chunk.size for chunk in chunks} == {joined.size}


def test_narrow_numbers_are_timed_as_such() -> None:
    wide, narrow = (
        setup_of(lambda config, p=precision: config["encoders"]["clip"].update(precision=p))
        for precision in ("float32", "bfloat16")
    )
    assert [load(setup, "embed_images").width for setup in (wide, narrow)] == ["float32", "float16"]
