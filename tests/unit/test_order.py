"""What is said of the order of tests is said of tests that there are."""

import pytest

from tests.order import FIRST, TESTS, TOGETHER


@pytest.mark.parametrize("start", FIRST)
def test_what_comes_first_is_there(start: str) -> None:
    assert [*TESTS.glob(f"{start}*/test_*.py"), *TESTS.glob(f"{start}*.py")]


def test_what_stays_together_comes_first() -> None:
    assert set(TOGETHER) <= set(FIRST)
