"""Support sets in config.yaml: retrieved from a pool, or few-shot."""

import copy
import re
from typing import Any

import pytest

from susx.config import parse_config
from tests.made.config import FULL, edited, message

RETRIEVAL_KEYS = (
    "candidates, encoder, margin, max_cosine, pool, query, refuse, select, size, source"
)
FEW_SHOT_KEYS = "seeds, size, source, views"


def test_kinds_of_support_sets_have_their_own_defaults() -> None:
    config = copy.deepcopy(FULL)
    config["supports"] = {
        "lc": {"source": "retrieval", "pool": "web", "encoder": "clip"},
        "few": {"source": "few-shot"},
    }
    supports = parse_config(config).supports
    assert supports["lc"].model_dump() == {
        "source": "retrieval", "pool": "web", "encoder": "clip", "query": "photo", "size": 16,
        "candidates": None, "select": "top", "margin": 0.0, "max_cosine": None,
        "refuse": {"punsafe": 0.5, "pwatermark": 0.8, "NSFW": "NSFW", "nsfw": "NSFW"},
    }  # fmt: skip
    assert supports["few"].model_dump() == {
        "source": "few-shot", "size": 16, "seeds": [0, 1, 2], "views": 10
    }  # fmt: skip


@pytest.mark.parametrize(
    ("place", "hint"),
    [
        ("lc.querry", 'did you mean "query"?'),
        ("lc.zzz", f"valid keys: {RETRIEVAL_KEYS}"),
        ("lc.seeds", f"valid keys: {RETRIEVAL_KEYS}"),
        ("few.seed", 'did you mean "seeds"?'),
        ("few.zzz", f"valid keys: {FEW_SHOT_KEYS}"),
        ("few.pool", f"valid keys: {FEW_SHOT_KEYS}"),
    ],
)
def test_keys_of_another_kind_are_unknown(place: str, hint: str) -> None:
    text = message(edited(f"supports.{place}", "web"))
    assert text == f"config.yaml: supports.{place}: unknown key; {hint}"


@pytest.mark.parametrize("place", ["lc.source", "lc.pool", "lc.encoder", "few.source"])
def test_missing_key_is_named(place: str) -> None:
    config = copy.deepcopy(FULL)
    name, key = place.split(".")
    del config["supports"][name][key]
    assert message(config) == f"config.yaml: supports.{place}: missing"


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("lc", "retrieval"),
        ("lc.source", "magic"),
        ("lc.source", None),
        ("lc.source", ["few-shot"]),
        ("lc.size", 0),
        ("lc.size", True),
        ("lc.max_cosine", 1),
        ("lc.max_cosine", 0),
        ("lc.refuse", ["punsafe"]),
        ("few.size", 0),
        ("few.seeds", []),
        ("few.seeds", 3),
        ("few.seeds", [0, 1, 0]),
        ("few.seeds.1", -1),
        ("few.seeds.0", True),
        ("few.seeds.0", "0"),
    ],
)
def test_wrong_value_names_its_key(place: str, value: Any) -> None:
    text = message(edited(f"supports.{place}", value))
    assert re.match(rf"config\.yaml: supports\.{re.escape(place)}: ", text)
    assert "\n" not in text


def test_repeated_seed_is_named() -> None:
    text = message(edited("supports.few.seeds", [4, 7, 7]))
    assert text == 'config.yaml: supports.few.seeds: "7" is listed twice; remove one'


def test_unknown_kind_of_support_set_is_told_the_known_ones() -> None:
    text = message(edited("supports.lc.source", "magic"))
    assert text.startswith("config.yaml: supports.lc.source: ")
    assert "'retrieval'" in text
    assert "'few-shot'" in text


def test_support_set_may_be_called_like_its_kind() -> None:
    config = copy.deepcopy(FULL)
    config["supports"] = {"retrieval": {**FULL["supports"]["lc"], "size": 0}}
    config["evaluation"]["supports"] = None
    assert message(config).startswith("config.yaml: supports.retrieval.size: ")


@pytest.mark.parametrize("split", ["validation", "train"])
@pytest.mark.parametrize("path", ["photos", "photos/", "./photos"])
def test_a_split_is_not_the_test_folder_however_it_is_written(split: str, path: str) -> None:
    text = message(edited(f"datasets.pets.images.{split}", path))
    assert text.startswith(f"config.yaml: datasets.pets.images: `{split}` is the folder of `test`")


def test_a_support_set_cannot_be_called_like_a_draw_of_another() -> None:
    config = copy.deepcopy(FULL)
    config["supports"]["few-seed5"] = config["supports"]["lc"]
    text = message(config)
    assert text == (
        "config.yaml: supports.few-seed5: is what a draw of few is called; rename one of them"
    )


@pytest.mark.parametrize(
    ("refuse", "columns", "unseen"),
    [
        ({"p_unsafe": 0.5}, None, '"p_unsafe"'),
        ({"punsafe": 0.5, "NSFW": "NSFW"}, ["punsafe"], '"NSFW"'),
        ({}, [], None),
        ({"toxic": 0.1}, ["toxic"], None),
    ],
)
def test_limits_are_on_columns_that_are_read(
    refuse: dict[str, Any] | None, columns: list[str] | None, unseen: str | None
) -> None:
    config = copy.deepcopy(FULL)
    pool, support = config["pools"]["web"], config["supports"]["lc"]
    pool |= {} if columns is None else {"metadata_columns": columns}
    support |= {} if refuse is None else {"refuse": refuse}
    if unseen is None:
        assert parse_config(config).supports["lc"].refuse == refuse
    else:
        said = f"supports.lc.refuse: pools.web.metadata_columns leaves out {unseen}, so that"
        assert said in message(config)
