"""Synthesised support sets in config.yaml."""

import copy
from typing import Any

import pytest

from susx.config import parse_config
from susx.config.synthesis import PRESETS, Synthesis
from tests.made.config import FULL, message

OWN = {"source": "synthesis", "model": "models/sd", "steps": 30, "guidance": 7.5}


def config_of(support: dict[str, Any]) -> dict[str, Any]:
    return {**copy.deepcopy(FULL), "supports": {**FULL["supports"], "sd": support}}  # type: ignore


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_fill_what_is_left_out(preset: str) -> None:
    support = parse_config(config_of({"source": "synthesis", "preset": preset})).supports["sd"]
    assert isinstance(support, Synthesis)
    chosen = support.resolved()
    assert {key: getattr(chosen, key) for key in PRESETS[preset]} == PRESETS[preset]
    assert (chosen.query, chosen.size, chosen.seed, chosen.chunk) == ("photo", 16, 0, 25)


def test_the_paper_preset_is_that_of_the_paper() -> None:
    assert PRESETS["paper"] == {
        "model": "CompVis/stable-diffusion-v1-4", "steps": 85, "guidance": 9.5
    }  # fmt: skip


def test_given_values_win_over_the_preset() -> None:
    given = {"model": "models/mine", "steps": 3, "guidance": 0}
    support = Synthesis(source="synthesis", preset="paper", **given).resolved()
    assert (support.model, support.steps, support.guidance) == ("models/mine", 3, 0)


def test_a_model_without_preset_needs_steps_and_guidance() -> None:
    assert parse_config(config_of(OWN)).supports["sd"].resolved() == Synthesis(**OWN)  # type: ignore
    for key in ("model", "steps", "guidance"):
        lacking = {k: v for k, v in OWN.items() if k != key}
        assert message(config_of(lacking)) == (
            "config.yaml: supports.sd: give `preset` (paper, fast, demo), or all of `model`, "
            f"`steps` and `guidance`: `{key}` is missing"
        )


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"stpes": 3}, 'supports.sd.stpes: unknown key; did you mean "steps"?'),
        ({"pool": "web"}, "supports.sd.pool: unknown key; valid keys: "),
        ({"query": "cuppl"}, 'supports.sd.query: no entry "cuppl" under prompts; did you mean'),
        ({"steps": 0}, "supports.sd.steps: "),
        ({"guidance": -1.0}, "supports.sd.guidance: "),
        ({"guidance": float("nan")}, "supports.sd.guidance: "),
        ({"image_size": 100}, "supports.sd.image_size: "),
        ({"preset": "quick"}, "supports.sd.preset: "),
        ({"precision": "float8"}, "supports.sd.precision: "),
        ({"chunk": 0}, "supports.sd.chunk: "),
        ({"seed": -1}, "supports.sd.seed: "),
    ],
)
def test_mistakes_are_named(changes: dict[str, Any], text: str) -> None:
    assert message(config_of({**OWN, **changes})).startswith(f"config.yaml: {text}")
