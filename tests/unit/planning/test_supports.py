"""Support sets: which a dataset can have, and how each is made."""

from pathlib import Path
from typing import Any

import pytest

from susx.core.errors import InputError
from susx.planning import retrieval, supports, synthesis, web
from susx.planning.setup import Setup
from tests.planned_world import setup_of
from tests.unit.planning.test_resources import Files

FOLDER = "work/tiny/support"
RETRIEVED = ["lc", "agree", "vectors", "apart", "index", "files", "captions", "service"]
DRAWS = ["few-seed0", "few-seed4"]


def evaluating(**section: Any) -> Setup:
    """A setup with a section `evaluation`."""
    return setup_of(lambda config: config.update(evaluation=section))


def test_few_shot_sets_need_training_images(setup: Setup) -> None:
    assert supports.evaluated_supports(setup, "tiny") == [*RETRIEVED, "drawn", "own", *DRAWS]
    assert supports.evaluated_supports(setup, "asked") == [*RETRIEVED, "drawn", "own"]
    reason = "datasets.asked.images.train is not set"
    assert supports.unavailable_supports(setup, "asked") == {"few": reason}
    assert supports.unavailable_supports(setup, "tiny") == {}
    assert supports.unavailable_supports(setup, "shared") == {}


def test_only_wanted_sets_are_compared_and_only_if_a_method_uses_them() -> None:
    some = evaluating(supports=["few", "lc"])
    assert supports.evaluated_supports(some, "tiny") == ["lc", *DRAWS]
    assert supports.wanted_supports(some, "tiny") == ["few", "lc"]
    assert supports.evaluated_supports(evaluating(methods=["zero-shot"]), "tiny") == []
    assert supports.evaluated_supports(setup_of(), "shared") == ["lc-photo"]


def test_a_draw_has_the_settings_of_its_entry_and_its_seed(setup: Setup) -> None:
    assert supports.few_shot_size(setup, "few-seed4") == 2
    assert supports.few_shot_seed(setup, "few-seed4") == 4
    assert supports.support_views(setup, "few-seed4") == {"views": 10, "seed": 4}
    assert supports.support_views(setup, "lc") == {}


def test_images_of_a_pool_are_searched_by_shard(setup: Setup) -> None:
    assert retrieval.retrieved_from_images(setup) == ["lc", "agree"]
    assert retrieval.query_cache(setup, "tiny", "lc") == "cache/clip/tiny/text-photo.h5"
    assert retrieval.shard_cache(setup, "lc", "000") == "cache/clip/pools/web/000.h5"
    assert retrieval.shard_file(setup, "web", "001") == "pool/001.tar"
    assert retrieval.shard_paths(setup, "lc") == ["pool/000.tar", "pool/001.tar"]
    assert list(retrieval.shard_fields(setup, "lc")) == ["000", "001"]
    assert retrieval.image_source(setup, "web", "000").keys().isdisjoint(retrieval.UNSEEN)
    assert retrieval.shard_runs(setup, "clip", "web", "000")["path"] == "pool/000.tar"
    assert retrieval.candidate_files(setup, "tiny", "lc") == [
        f"{FOLDER}/lc/candidates/{shard}.parquet" for shard in ("000", "001")
    ]
    assert retrieval.pool_source(setup, "lc") == "retrieval from web"


def test_links_of_the_web_may_be_dead_so_that_more_candidates_are_taken(setup: Setup) -> None:
    limits = {name: retrieval.candidate_limit(setup, name) for name in ("lc", "index", "files")}
    assert limits == {"lc": 2 * 3, "index": 10 * 3, "files": 7 * 3}


def test_choices_that_compare_embeddings_read_them(setup: Setup) -> None:
    assert retrieval.candidate_caches(setup, "lc") == []
    shards = [f"cache/hub/pools/web/{shard}.h5" for shard in ("000", "001")]
    assert retrieval.candidate_caches(setup, "agree") == shards
    assert retrieval.agreeing_text(setup, "tiny", "lc") == []
    assert retrieval.agreeing_text(setup, "tiny", "agree") == ["cache/hub/tiny/text-cupl+e.h5"]
    assert retrieval.selection(setup, "agree")["select"] == "agree"
    near = setup_of(lambda c: c["supports"]["lc"].update(max_cosine=0.9))
    assert retrieval.compares_embeddings(near, "lc")


def test_pools_of_the_web_are_searched_as_they_are_published(setup: Setup) -> None:
    assert web.searched_as(setup, "embeddings") == ["vectors", "apart", "files"]
    assert web.searched_as(setup, "service") == ["service"]
    assert web.local_shard(setup, "vectors", "img-emb-0") == [
        "laion/img_emb/img_emb_0.npy",
        "laion/metadata/metadata_0.parquet",
    ]
    assert web.index_file(setup, "index", "image") == "laion/image.index"
    assert web.shard_settings(setup, "files", "img-emb-0")["images"] == "loose"
    assert retrieval.query_cache(setup, "tiny", "service") == []
    assert web.service_prompts(setup, "tiny", "service") == "work/tiny/prompts/photo.json"
    assert web.service_settings(setup, "service")["url"] == "http://localhost:1234"
    assert web.service_runs(setup, "tiny", "service") == {"folder": f"{FOLDER}/service/answers"}


def test_a_missing_part_of_a_pool_is_told_with_its_key(setup: Setup, folder: Any) -> None:
    (folder / "pool/001.tar").unlink()
    with pytest.raises(InputError, match=r"config.yaml: pools.web.*pool/001.tar"):
        retrieval.shard_file(setup, "web", "001")
    (folder / "laion/metadata/metadata_1.parquet").unlink()
    (folder / "laion/image.index").unlink()
    with pytest.raises(
        InputError, match=r"config.yaml: pools.vectors.path: not found: laion/metad"
    ):
        web.local_shard(setup, "vectors", "img-emb-1")
    with pytest.raises(InputError, match=r"config.yaml: pools.index.index: not found: laion/image"):
        web.index_file(setup, "index", "image")


@pytest.mark.parametrize(
    ("support", "judge", "ranking", "gpus"),
    [
        ("vectors", None, [], 0),
        ("apart", "clip", [], 0),
        ("captions", "hub", ["cache/hub/tiny/text-photo.h5"], 1),
        ("service", None, [], 0),
    ],
)
def test_downloads_are_judged_by_an_encoder_where_one_is_named(
    support: str, judge: str | None, ranking: list[str], gpus: int, setup: Setup
) -> None:
    assert web.judging_encoder(setup, support) == judge
    files = web.judge_files(setup, "tiny", support)
    model = {"clip": ["model/config.json"]}.get(judge or "", [])
    assert files == {"model": model, "ranking": ranking, "agreeing": []}
    assert web.judge_gpus(setup, support) == gpus
    assert (web.judge_settings(setup, support) is None) == (judge is None)
    assert web.judge_hub(setup, support) == ([("owner/name", None)] if judge == "hub" else [])
    assert bool(web.judge_models(setup, support)) == (judge is not None)
    quota = 3 * (4 if judge else 1)
    assert web.wanted_images(setup, support)["quota"] == quota
    runs = web.download_runs(setup, "tiny", support)
    assert runs["folder"] == f"{FOLDER}/{support}/downloads"
    assert bool(runs["encoder"]) == (judge is not None)


def test_how_a_download_runs_is_apart_from_its_rules(setup: Setup) -> None:
    rules, runs = web.download_rules(setup), web.download_runs(setup, "tiny", "files")
    assert rules.keys().isdisjoint(runs["fetch"])
    assert rules.keys().isdisjoint({"wave_factor", "rerank"})
    assert web.download_crawler(setup) == "susx"
    assert runs["images"] == "loose"
    assert web.local_images(setup, "service") == ""


def test_a_set_is_drawn_in_chunks_of_classes(setup: Setup) -> None:
    assert synthesis.drawn_chunks(setup, "tiny", "drawn", "tar") == [
        f"{FOLDER}/drawn/chunks/{number:05d}.tar" for number in range(2)
    ]
    assert synthesis.synthesis_prompts(setup, "tiny", "drawn") == "work/tiny/prompts/photo.json"
    assert synthesis.synthesis_size(setup, "drawn") == 16


def test_a_model_that_draws_is_local_or_of_the_hub(setup: Setup) -> None:
    assert synthesis.synthesis_model_files(setup, "own") == ["drawer/model_index.json"]
    assert synthesis.hub_synthesis_model(setup, "own") == []
    assert synthesis.synthesis_gpus(setup, "own") == 1
    assert synthesis.synthesis_model_files(setup, "drawn") == []
    assert synthesis.hub_synthesis_model(setup, "drawn") == [("stabilityai/sd-turbo", None)]
    assert synthesis.listed_synthesis_model(setup, "drawn") == {"models": ["stabilityai/sd-turbo"]}
    assert synthesis.synthesis_gpus(setup, "drawn") == 0
    assert synthesis.synthesis_threads(setup, "own") == 4
    runs = synthesis.synthesis_runs(setup, "own")["runs"]
    assert set(runs) == synthesis.DRAWN_ANYHOW
    assert synthesis.synthesis_settings(setup, "own").keys().isdisjoint(runs)


def test_a_search_asks_for_the_memory_of_its_hits(setup: Setup) -> None:
    Path("queries.h5").write_bytes(bytes(2_200_000))
    files = Files(queries="queries.h5")

    def asked(support: str, **factors: float) -> int:
        return retrieval.found_memory(setup, support, files, 1, "queries", factors)

    assert retrieval.candidate_limit(setup, "lc") == 6
    assert asked("lc") == 2000 + 6 * 1.5  # of a thousand texts in 2.2 KB each
    assert asked("vectors") == 2000 + 30 * 1.5
    assert asked("vectors", queries=10) == 2000 + 30 * 1.5 + 22
