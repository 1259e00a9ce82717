"""Hints and listings in error messages."""

import pytest

from susx.core.errors import InputError, listing, suggestion


@pytest.mark.parametrize("typed", ["tip_x", "Tip-X", "tipx", "TIP-X"])
def test_suggestion_finds_the_nearest_name_whatever_its_case(typed: str) -> None:
    assert suggestion(typed, ["zero-shot", "tip-x"]) == '; did you mean "tip-x"?'


def test_suggestion_keeps_the_spelling_of_the_valid_name() -> None:
    assert suggestion("alaskan malamut", ["Alaskan Malamute"]) == (
        '; did you mean "Alaskan Malamute"?'
    )


def test_suggestion_is_silent_without_a_similar_name() -> None:
    assert suggestion("zebra", ["tip-x", "cupl"]) == ""
    assert suggestion("zebra", []) == ""


def test_listing_quotes_and_counts_the_rest() -> None:
    assert listing(["a", "b"]) == '"a", "b"'
    assert listing(range(8), limit=3) == '"0", "1", "2" and 5 more'
    assert listing("abcde") == '"a", "b", "c", "d", "e"'


def test_input_errors_can_be_caught_as_value_errors() -> None:
    with pytest.raises(ValueError, match="broken"):
        raise InputError("broken")
