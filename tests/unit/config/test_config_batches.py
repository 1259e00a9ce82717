"""Entries of `evaluation.batches`."""

from typing import Any

import pytest

from susx.config import parse_config
from susx.config.batches import FewClasses, Stream
from tests.made.config import edited, message


def batches(**entry: Any) -> dict[str, Any]:
    return edited("evaluation.batches", {"own": entry})


def test_nothing_is_drawn_by_default() -> None:
    assert parse_config(edited("seed", 0)).evaluation.batches == {}


def test_protocols_have_the_numbers_of_the_paper() -> None:
    few = parse_config(batches(draw="few-classes")).evaluation.batches["own"]
    assert isinstance(few, FewClasses)
    assert (few.size, few.classes, few.tasks, few.seed, few.mixed) == (64, [1, 4], 1000, 1, 0)
    stream = parse_config(batches(draw="correlated", concentration=0.01)).evaluation.batches["own"]
    assert isinstance(stream, Stream)
    assert (stream.size, stream.tasks, stream.seed) == (128, 100, 1)


def test_unknown_classes_have_a_usual_share() -> None:
    few = parse_config(batches(draw="few-classes", unknown_classes=3)).evaluation.batches["own"]
    assert isinstance(few, FewClasses)
    assert few.mixed == 0.2


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"draw": "few-classes", "classes": [4, 1]}, "`classes` are least and most: write [1, 4]"),
        ({"draw": "few-classes", "unknown_share": 0.3}, "`unknown_share` needs `unknown_classes`"),
        (
            {"draw": "few-classes", "size": 2, "unknown_classes": 1},
            "of `size` 2, 0.2 are no whole image of both kinds",
        ),
        ({"draw": "correlated"}, "`concentration` says how strongly"),
        ({"draw": "shuffled", "concentration": 0.1}, "`concentration` says how strongly"),
    ],
)
def test_what_does_not_fit_together_is_told(entry: dict[str, Any], said: str) -> None:
    assert (
        message(batches(**entry))
        .removeprefix("config.yaml: ")
        .startswith(f"evaluation.batches.own: {said}")
    )


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"draw": "few-classes", "classes": [0, 4]}, "evaluation.batches.own.classes.0: "),
        ({"draw": "few-classes", "classes": [4]}, "evaluation.batches.own.classes: "),
        ({"draw": "few-classes", "tasks": 10_001}, "evaluation.batches.own.tasks: "),
        ({"draw": "few-classes", "seed": 2**32}, "evaluation.batches.own.seed: "),
        ({"draw": "shuffled", "size": 0}, "evaluation.batches.own.size: "),
        ({"draw": "correlated", "concentration": 0.0}, "evaluation.batches.own.concentration: "),
        ({"draw": "shufled"}, "evaluation.batches.own.draw: expected one of"),
        ({"size": 64}, "evaluation.batches.own.draw: missing"),
        ({"draw": "shuffled", "seeds": 1}, "evaluation.batches.own.seeds: unknown key"),
        ({"draw": "shuffled", "taks": 1}, 'did you mean "tasks"?'),
    ],
)
def test_wrong_settings_are_told_by_their_key(entry: dict[str, Any], said: str) -> None:
    assert said in message(batches(**entry))
