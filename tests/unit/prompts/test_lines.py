"""Lines of prose in the replies of language models."""

import pytest

from susx.prompts.lines import told_lines
from susx.prompts.sentences import descriptions

WRAPPED = """The zebra is a wild horse that is found in the open grasslands of East
Africa, where it eats
grass. It has stripes."""


def first(reply: str) -> list[str]:
    return descriptions([(reply, True)], "zebra").texts


def test_a_sentence_goes_on_in_the_next_line() -> None:
    assert first("The zebra is a horse with\nblack stripes and\na tail.\nIt runs.") == [
        "The zebra is a horse with black stripes and a tail."
    ]
    assert first(WRAPPED) == [
        "The zebra is a wild horse that is found in the open grasslands of East Africa, where it "
        "eats grass."
    ]
    assert first("- A zebra has black\n  and white stripes.\n- It eats grass.") == [
        "A zebra has black and white stripes."
    ]


@pytest.mark.parametrize(
    "lines",
    [
        ["A zebra in the tall grass of the plains of Africa", "Two zebras at a waterhole"],
        ["Stripes of the zebra", "The zebra has stripes."],
        ["four thin legs", "black stripes on white"],
        ["A zebra has legs.", "and a tail"],
        ["It has:", "four legs"],
    ],
)
def test_lines_of_their_own_stay(lines: list[str]) -> None:
    assert told_lines("\n".join(lines)) == lines


def test_a_blank_line_or_a_bullet_ends_a_line() -> None:
    assert told_lines("A zebra has\n\nstripes\n- A zebra has\n- legs") == [
        "A zebra has", "stripes", "A zebra has", "legs"
    ]  # fmt: skip


@pytest.mark.parametrize(
    "reply",
    [
        "1. Body and wing colour\n   - The zebra is striped.",
        "Body and wing colour\n\t- The zebra is striped.",
        "- **Body and wing colour:**\n    * The zebra is striped.",
    ],
)
def test_what_stands_above_items_is_no_sentence(reply: str) -> None:
    assert first(reply) == ["The zebra is striped."]


def test_a_sentence_above_items_is_one() -> None:
    assert first("A zebra has stripes.\n  - They are black.") == ["A zebra has stripes."]
