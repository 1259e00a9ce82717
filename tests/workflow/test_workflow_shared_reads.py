"""Shards that are read once for all support sets that search them."""

import shutil
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.helpers import PROJECTION, unit_rows
from tests.workflow.project import NAMES, SHARDS, Outcome, Project
from tests.workflow.sets import (
    ALL,
    DATASETS,
    HANDED_OVER,
    SUPPORTS,
    add_sets,
    assert_one_reads,
    candidates,
    logs,
)

pytestmark = pytest.mark.pipeline

ROWS = 40


@pytest.fixture
def sets(fresh_project: Project) -> Project:
    add_sets(fresh_project)
    return fresh_project


def alone(project: Project, folder: Path, *names: str) -> Project:
    """The same files, each made by a call of its own."""
    copy = project.copy(folder)
    for name in names:
        copy.run(name)
    return copy


def test_images_are_read_once_and_hits_are_those_of_each_alone(
    sets: Project, tmp_path: Path
) -> None:
    sets.run(*SHARDS_EMBEDDED)
    apart = alone(sets, tmp_path / "apart", *ALL)
    assert not any(HANDED_OVER in text for text in logs(apart, "search_shard", "000").values())

    outcome = sets.run(*ALL)

    assert [job.rule for job in outcome.jobs].count("search_shard") == len(ALL)
    for shard in SHARDS:
        assert_one_reads(sets, "search_shard", shard)
    for name in ALL:
        assert sets.path(name).read_bytes() == apart.path(name).read_bytes()
    assert not sets.run(*ALL).jobs
    assert not list(sets.path("work/store/tmp").rglob("*.parquet"))


SHARDS_EMBEDDED = [f"cache/clip/pools/web/{shard}.h5" for shard in SHARDS]


@pytest.mark.parametrize("layout", ["embeddings", "captions", "index"])
def test_shards_without_images_are_read_once(sets: Project, tmp_path: Path, layout: str) -> None:
    pool: dict[str, Any] = {"layout": "embeddings", "path": "laion", "encoder": "clip"}
    rule, shard = "search_embeddings", "img-emb-0"
    write_published(sets)
    if layout == "captions":
        pool = {"layout": "captions", "path": "laion/metadata/metadata_{0..0}.parquet"}
        rule, shard = "match_captions", "metadata-0"
    if layout == "index":
        write_index(sets)
        pool["index"] = "laion/image.index"
        rule, shard = "search_index", "image"

    def change(config: dict[str, Any]) -> None:
        config["pools"]["web"] = pool
        if layout != "captions":
            for name in SUPPORTS:
                del config["supports"][name]["encoder"]

    sets.change_config(change)
    names = [candidates(*of, shard) for of in product(DATASETS, SUPPORTS)]
    apart = alone(sets, tmp_path / "apart", *names)
    sets.run(*names)
    assert_one_reads(sets, rule, shard)
    for name in names:
        assert sets.path(name).read_bytes() == apart.path(name).read_bytes()


def write_published(project: Project) -> None:
    folder = project.path("laion")
    for name in ("img_emb", "metadata"):
        (folder / name).mkdir(parents=True)
    features = unit_rows(np.random.default_rng(0), ROWS, PROJECTION).astype(np.float16)
    np.save(folder / "img_emb/img_emb_0.npy", features)
    table = {
        "url": [f"http://127.0.0.1:9/{row}.png" for row in range(ROWS)],
        "caption": [f"{NAMES[row % 4]} number {row}" for row in range(ROWS)],
    }
    pq.write_table(pa.table(table), folder / "metadata/metadata_0.parquet")


def write_index(project: Project) -> None:
    faiss = pytest.importorskip("faiss")
    index = faiss.IndexFlatIP(PROJECTION)
    index.add(np.load(project.path("laion/img_emb/img_emb_0.npy")).astype(np.float32))
    faiss.write_index(index, str(project.path("laion/image.index")))


def failing(project: Project, log: str) -> Outcome:
    """A run in which the job with this log fails, because a folder lies there."""
    project.path(log).unlink(missing_ok=True)
    project.path(log).mkdir(parents=True)
    (project.path(log) / "kept").touch()
    outcome = project.attempt("--keep-going", *ALL)
    assert outcome.returncode != 0
    shutil.rmtree(project.path(log))
    return outcome


def made(project: Project) -> set[str]:
    return {name for name in ALL if project.path(name).exists()}


def test_a_set_without_texts_holds_up_no_other(sets: Project) -> None:
    failing(sets, "logs/embed_text/clip/small/ensemble.log")
    lost = {candidates("small", "wide", shard) for shard in SHARDS}
    assert made(sets) == set(ALL) - lost
    assert sum(HANDED_OVER in text for text in logs(sets, "search_shard", "000").values()) == 2
    sets.run(*ALL)


def test_the_others_read_for_themselves_where_the_one_fails(sets: Project) -> None:
    first = DATASETS[0], SUPPORTS[0]
    failing(sets, f"logs/search_shard/{'/'.join(first)}/000.log")

    assert made(sets) == set(ALL) - {candidates(*first, "000")}
    others = {of: text for of, text in logs(sets, "search_shard", "000").items() if of != first}
    assert not any(HANDED_OVER in text for text in others.values())


@pytest.mark.parametrize("rule", ["search_shard", "embed_text"])
def test_a_run_that_ends_with_a_rule_makes_all_its_files(sets: Project, rule: str) -> None:
    sets.run(*ALL, "--until", rule)
    texts = {f"cache/clip/{name}/text-{of}.h5" for name in DATASETS for of in ("photo", "ensemble")}
    asked = set(ALL) if rule == "search_shard" else texts
    assert {name for name in asked if sets.path(name).exists()} == asked


def test_what_is_left_out_takes_no_other_with_it(sets: Project) -> None:
    left_out = candidates(DATASETS[0], SUPPORTS[0], SHARDS[0])
    sets.run(*ALL, "--omit-from", left_out)
    assert made(sets) == set(ALL) - {left_out}
