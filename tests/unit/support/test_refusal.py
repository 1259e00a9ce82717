"""Candidates refused for what their pool says about them."""

import pytest

from susx.support.refusal import refusal

LIMITS = {"punsafe": 0.5, "pwatermark": 0.8, "NSFW": "NSFW"}


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        ("", ""),
        ("{}", ""),
        ('{"punsafe": 0.5}', ""),
        ('{"punsafe": 0.51}', "refused: punsafe"),
        ('{"punsafe": 0.1, "pwatermark": 0.9}', "refused: pwatermark"),
        ('{"punsafe": "0.9"}', "refused: punsafe"),
        ('{"punsafe": " 0.1"}', ""),
        ('{"punsafe": "high"}', "refused: punsafe"),
        ('{"punsafe": ""}', ""),
        ('{"punsafe": true}', "refused: punsafe"),
        ('{"punsafe": null}', ""),
        ('{"NSFW": "UNLIKELY"}', ""),
        ('{"NSFW": "nsfw"}', "refused: NSFW"),
        ('{"NSFW": " NSFW\\t"}', "refused: NSFW"),
        ('{"NSFW": true}', "refused: NSFW"),
        ('{"NSFW": "True"}', "refused: NSFW"),
        ('{"NSFW": 1}', "refused: NSFW"),
        ('{"NSFW": false}', ""),
        ('{"NSFW": 0}', ""),
        ('{"NSFW": "false"}', ""),
        ('{"other": 1.0}', ""),
    ],
)
def test_a_column_refuses_by_its_limit(metadata: str, reason: str) -> None:
    assert refusal(metadata, LIMITS) == reason


def test_without_limits_nothing_is_refused() -> None:
    assert refusal('{"punsafe": 1.0}', {}) == refusal(None, {}) == ""


def test_what_cannot_be_read_is_refused_by_any_limit() -> None:
    assert refusal(None, {"punsafe": 0.5}) == "refused: metadata unreadable"
