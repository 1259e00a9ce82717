"""What is said of the order of tests is said of tests that there are."""

import pytest

from tests.order import FIRST, TESTS, TOGETHER


@pytest.mark.parametrize("start", sorted({*FIRST, *TOGETHER}))
def test_what_is_ordered_is_there(start: str) -> None:
    assert [*TESTS.glob(f"{start}*/test_*.py"), *TESTS.glob(f"{start}*.py")]
