"""Section `report`."""

from typing import Any

import pytest

from susx.config import parse_config
from tests.made.config import MINIMAL, message


def test_a_report_needs_no_settings() -> None:
    report = parse_config(MINIMAL).report
    assert (report.examples, report.images_per_class, report.thumbnail) == (12, 4, 96)


def test_examples_may_be_left_out_altogether() -> None:
    section = {"examples": 0, "voters": 0, "confusions": 0}
    report = parse_config({**MINIMAL, "report": section}).report
    assert (report.examples, report.voters, report.confusions) == (0, 0, 0)


@pytest.mark.parametrize(
    ("section", "problem"),
    [
        ({"example": 3}, 'report.example: unknown key; did you mean "examples"?'),
        ({"examples": -1}, "report.examples: "),
        ({"thumbnail": 0}, "report.thumbnail: "),
        ({"images_per_class": "4"}, "report.images_per_class: "),
    ],
)
def test_what_makes_no_sense_is_an_error(section: dict[str, Any], problem: str) -> None:
    assert problem in message({**MINIMAL, "report": section})
