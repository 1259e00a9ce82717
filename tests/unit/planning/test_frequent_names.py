"""Prompts with the most frequent names: which captions they count."""

from typing import Any

import pytest

from susx.config.shown import evaluated_config
from susx.core.errors import InputError
from susx.planning.frequent_names import count_files, counted_pool
from susx.planning.setup import Setup
from tests.planned_world import retrieval, setup_of

REAL = {"source": "frequent_names"}


def counting(prompts: dict[str, Any], **pools: Any) -> Setup:
    """A setup with other prompt strategies, further pools, and a support set of each."""

    def change(config: dict[str, Any]) -> None:
        plain = {"ensemble": {"source": "ensemble"}, "photo": {"source": "template"}}
        config["prompts"] = plain | {"real-prompt": REAL} | prompts
        config["evaluation"] = {"methods": ["zero-shot", "real-prompt"], "supports": ["lc"]}
        for name, pool in pools.items():
            config["pools"][name] = pool
            config["supports"][f"of-{name}"] = retrieval(name, encoder="clip")

    return setup_of(change)


CAPTIONS = {"layout": "captions", "path": "captions/*.parquet"}


def test_the_only_captions_are_counted_if_none_are_named(setup: Setup) -> None:
    assert count_files(setup, "tiny", "real-prompt") == [
        "work/tiny/support/captions/names/first.json"
    ]
    assert counted_pool(setup, "real-prompt") == "captions"
    assert count_files(setup, "tiny", "ensemble") == []
    assert counted_pool(setup, "ensemble") is None


def test_a_named_pool_is_counted_and_shown_in_results() -> None:
    setup = counting({"real-prompt": {**REAL, "pool": "more"}}, more=CAPTIONS)
    assert counted_pool(setup, "real-prompt") == "more"
    assert count_files(setup, "tiny", "real-prompt")[0].startswith("work/tiny/support/of-more/")
    shown = evaluated_config(setup.config, "tiny")
    assert set(shown["supports"]) == {"lc", "of-more"}
    assert set(shown["pools"]) == {"web", "more"}


def test_a_part_of_a_combined_strategy_is_counted() -> None:
    both = {"source": "combine", "of": ["ensemble", "real-prompt"]}
    setup = counting({"both": both})
    assert counted_pool(setup, "both") == "captions"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda c: c["supports"].pop("captions"),
            "counts names of classes in captions, but no support set is retrieved from a pool of "
            "layout `captions`",
        ),
        (
            lambda c: c.update(prompts={"real-prompt": {**REAL, "pool": "vectors"}}),
            "real-prompt.pool: vectors is no pool of layout `captions`; others are searched by "
            "similarity, which counts no names",
        ),
        (
            lambda c: (
                c["pools"].update(more=CAPTIONS),
                c.update(prompts={"real-prompt": {**REAL, "pool": "more"}}),
            ),
            "no support set is retrieved from pool more; add one under `supports`",
        ),
        (
            lambda c: (
                c["pools"].update(more=CAPTIONS),
                c["supports"].update(again=retrieval("more", encoder="clip")),
            ),
            'real-prompt.pool: missing; name the one whose captions are counted: "captions", '
            '"more"',
        ),
    ],
)
def test_what_cannot_be_counted_is_refused_while_planning(change: Any, message: str) -> None:
    def also_photo(config: dict[str, Any]) -> None:
        change(config)
        if "prompts" in config:
            config["prompts"] |= {"photo": {"source": "template"}}
        config["evaluation"] = {"methods": ["real-prompt"], "texts": ["real-prompt"]}

    setup = setup_of(also_photo)
    for asked in (
        lambda: count_files(setup, "tiny", "real-prompt"),
        lambda: evaluated_config(setup.config, "tiny"),
    ):
        with pytest.raises(InputError) as caught:
            asked()
        assert str(caught.value).startswith("config.yaml: prompts.real-prompt")
        assert message in str(caught.value)


@pytest.mark.parametrize(
    ("prompts", "message"),
    [
        ({"real-prompt": {**REAL, "pool": "nowhere"}}, 'prompts.real-prompt.pool: no entry "nowhe'),
        ({"other": {"source": "template", "pool": "web"}}, "`pool` is for source `frequent_names`"),
        (
            {
                "real-prompt": REAL,
                "named": {**REAL, "pool": "captions"},
                "both": {"source": "combine", "of": ["real-prompt", "named"]},
            },
            "prompts.both.of: joins strategies of source `frequent_names` that differ; keep one",
        ),
    ],
)
def test_pools_of_prompts_are_checked_with_the_configuration(prompts: Any, message: str) -> None:
    with pytest.raises(InputError, match=r"config\.yaml") as caught:
        counting(prompts)
    assert message in str(caught.value)
