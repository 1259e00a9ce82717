"""What is looked up on disk once, before anything is planned."""

from collections.abc import Callable
from typing import Any

import pytest

from susx.config.cards import built_in_cards
from susx.core.errors import InputError
from susx.planning.setup import Setup
from tests.planned_world import setup_of


def test_support_sets_are_told_by_where_they_come_from(setup: Setup) -> None:
    assert setup.seeds == {"few-seed0": ("few", 0), "few-seed4": ("few", 4)}
    assert list(setup.synthesised) == ["drawn", "own"]
    assert setup.synthesised["drawn"].model == "stabilityai/sd-turbo"
    assert setup.synthesised["own"].model == "drawer"
    assert setup.layouts == {
        "lc": "webdataset",
        "agree": "webdataset",
        "vectors": "embeddings",
        "apart": "embeddings",
        "index": "index",
        "files": "embeddings",
        "captions": "captions",
        "service": "service",
    }
    assert setup.downloaded == [name for name, kind in setup.layouts.items() if kind[:3] != "web"]


def test_datasets_are_filled_from_their_cards(setup: Setup) -> None:
    assert setup.datasets["card"].card == "card.yaml"
    own = ["tiny", "card", "fetched", "asked", "plain"]
    assert list(setup.images) == [*own, *built_in_cards()]
    assert list(setup.features) == ["shared", "keys"]
    assert setup.backbones == {"RN50", "RN101"}
    assert {setup.tuned_on[name] for name in setup.config.datasets} == {"validation"}
    assert setup.tuned_on["imagenet"] == "test"
    assert list(setup.feature_files["keys"].supports) == ["16-shot"]


def test_shards_have_the_names_of_their_files(setup: Setup) -> None:
    assert {pool: list(shards) for pool, shards in setup.shards.items()} == {
        "web": ["000", "001"],
        "vectors": ["img-emb-0", "img-emb-1"],
        "index": ["image"],
        "files": ["img-emb-0", "img-emb-1"],
        "captions": ["first"],
        "service": ["service"],
    }


def test_the_folders_of_the_pipeline_follow_the_roots() -> None:
    assert setup_of().stores == ["work/store", "cache/store"]
    roots = {"work": "w", "cache": "c", "results": "r", "store": "s"}
    other = setup_of(lambda config: config.update(roots=roots))
    assert other.folders == ["w", "c", "r", "w/store", "s"]


REFUSED: list[tuple[Callable[[dict[str, Any]], object], str]] = [
    (
        lambda c: c["datasets"]["tiny"].update(card="oxford-pets"),
        'config.yaml: datasets.tiny.card: "oxford-pets" is neither',
    ),
    (
        lambda c: c["supports"]["lc"].update(pool="wep"),
        'config.yaml: supports.lc.pool: no entry "wep" under pools; did you mean "web"?',
    ),
    (
        lambda c: c["pools"]["captions"].update(path="nowhere/*.parquet"),
        "config.yaml: pools.captions.path: no file matches nowhere/*.parquet",
    ),
    (
        lambda c: c["pools"]["index"].update(index="laion/*.faiss"),
        "config.yaml: pools.index.index: no file matches laion/*.faiss",
    ),
    (lambda c: c["pools"]["web"].update(path="nowhere/*.tar"), "config.yaml: pools.web"),
]


@pytest.mark.parametrize(("change", "says"), REFUSED, ids=range(len(REFUSED)))
def test_what_cannot_be_looked_up_is_told_with_its_key(
    change: Callable[[dict[str, Any]], object], says: str
) -> None:
    with pytest.raises(InputError) as caught:
        setup_of(change)
    assert str(caught.value).startswith(says)
