"""The words for what hyper-parameters were chosen on."""

import re
from pathlib import Path
from typing import get_args

from susx.config.evaluation import TuningProtocol
from susx.evaluation.tuning_words import (
    IN_SENTENCES,
    TUNED_ON,
    tuned_on_words,
    tuning_sentence,
)
from susx.report.draw_methods import TUNED

PAGE = Path(__file__).parents[3] / "docs/methods.md"


def test_the_page_has_the_words() -> None:
    row = re.compile(r"^\| ([^|]+) \| ([^|]+) \| `(\w+)` \| `(\w+)` \|$", re.MULTILINE)
    rows = row.findall(PAGE.read_text("utf-8").partition("under “tuned on”")[2])
    assert {protocol for *_, protocol, _ in rows} == {*get_args(TuningProtocol), "none"}
    for words, sentence, protocol, split in rows:
        assert tuned_on_words(protocol, split) == words
        assert tuning_sentence(protocol, split) == sentence
    assert {words for words, *_ in rows} == set(TUNED_ON.values())


def test_figures_have_a_mark_for_each() -> None:
    assert TUNED.keys() == TUNED_ON.keys() == IN_SENTENCES.keys()
    marks = [mark[1:] for mark in TUNED.values()]
    assert len(set(marks)) == len(marks)


def test_a_file_of_others_is_shown_as_it_is() -> None:
    assert tuned_on_words("odd", "nothing") == "odd"
    assert tuning_sentence("odd", "elsewhere") == "tuned on elsewhere"
